/*
 * Recovery (docs/protocol/knock.md): OFFER, STORED, DONE in a session under the recovery key, with the loss of any
 * message, a power cut of the device and a crash of the gateway at every step, a window that the operator opens and
 * shuts at will, and ordinary sessions in between. At the start the two share no root key (the gateway was put back from
 * a backup), or the device's older one. Keys are numbers; every offer that is not one made before makes a new one.
 *
 * Checked: from the moment that the device has stored a key of an offer, the two share a root key at every later moment,
 * so that the device needs no window any more; what the gateway has given up never binds again.
 *
 * Broken on purpose: -DBROKEN_FRESH makes every offer a new key (as the exporter of each session would);
 * -DBROKEN_DROP has a session under the recovery key drop the pending key, as one under a root key does;
 * -DBROKEN_WIPE has the device wipe its other keys when it stores the new one, and the gateway give up what is pending
 * when it crashes.
 */
#define KEYS 6 /* made in all */
#define LOST 1 /* the device's, which the gateway never knew, or has lost */
#define HELD 2 /* the gateway's, which the device may have kept */

/* Durable. */
byte device_new = LOST;
byte device_old;      /* 0: none */
byte device_older;
byte gateway_now = HELD;
byte gateway_pending; /* 0: none; of a recovery where by_recovery */
bool by_recovery;
byte made = HELD;
byte retired;         /* bits: keys that the gateway has given up */
bool stored_once;     /* the device has stored the key of an offer */

/* Of the moment. */
bool window;
byte session;              /* bound on both sides under a root key */
bool recovering;           /* or under the recovery key */
byte offered;              /* OFFER under way: its key */
byte stored;               /* STORED under way: its key */

#define BIT(k) (1 << (k))
#define GATEWAY_HAS(k) ((k) != 0 && ((k) == gateway_now || (k) == gateway_pending))
#define SHARED (GATEWAY_HAS(device_new) || GATEWAY_HAS(device_old) || GATEWAY_HAS(device_older))
#define FINE assert(!stored_once || SHARED)

/* The gateway commits {k} alone. */
inline settle(k)
{
	assert((retired & BIT(k)) == 0);
	if
	:: gateway_now != k -> retired = retired | BIT(gateway_now); gateway_now = k
	:: else
	fi;
	if
	:: gateway_pending != 0 && gateway_pending != k -> retired = retired | BIT(gateway_pending)
	:: else
	fi;
	gateway_pending = 0;
	by_recovery = false
}

/* The device is bound under k: under its newest it drops the others. */
inline device_bound(k)
{
	if
	:: k == device_new -> device_old = 0; device_older = 0
	:: else
	fi
}

/* It stores the key of an offer beside those that it has; the same once more takes no further place. */
inline device_store(k)
{
	if
	:: k != device_new -> device_older = device_old; device_old = device_new; device_new = k
	:: else
	fi;
#ifdef BROKEN_WIPE
	device_old = 0; device_older = 0;
#endif
	stored_once = true
}

active proctype world()
{
	byte k;

	/* The backup may be of before or after the device's last change of keys. */
	if
	:: device_old = HELD
	:: skip
	fi;
end:	do
	:: d_step { window = !window }
	/* A session under a root key that both hold. The device's end of it may be lost, or the gateway's. */
	:: d_step { session == 0 && !recovering && GATEWAY_HAS(device_new) ->
		k = device_new; settle(k); session = k; device_bound(k); k = 0; FINE }
	:: d_step { session == 0 && !recovering && GATEWAY_HAS(device_new) -> k = device_new; settle(k); k = 0; FINE }
	:: d_step { session == 0 && !recovering && GATEWAY_HAS(device_new) -> device_bound(device_new); FINE }
	:: d_step { session == 0 && !recovering && GATEWAY_HAS(device_old) && !GATEWAY_HAS(device_new) ->
		k = device_old; settle(k); session = k; k = 0; FINE }
	:: d_step { session == 0 && !recovering && GATEWAY_HAS(device_older) && !GATEWAY_HAS(device_new) &&
		!GATEWAY_HAS(device_old) -> k = device_older; settle(k); session = k; k = 0; FINE }
	/* A session under the recovery key: whatever the device's other keys are worth, its turn may come. */
	:: d_step { window && session == 0 && !recovering -> recovering = true;
#ifdef BROKEN_DROP
		gateway_pending = 0; by_recovery = false;
#endif
		FINE }
	/* OFFER: what was offered and not proven is offered again. */
	:: d_step { recovering && offered == 0 && stored == 0 && window && by_recovery ->
#ifdef BROKEN_FRESH
		if
		:: made < KEYS -> retired = retired | BIT(gateway_pending); made++; gateway_pending = made
		:: else
		fi;
#endif
		offered = gateway_pending; FINE }
	:: d_step { recovering && offered == 0 && stored == 0 && window && !by_recovery && made < KEYS ->
		if
		:: gateway_pending != 0 -> retired = retired | BIT(gateway_pending)
		:: else
		fi;
		made++; gateway_pending = made; by_recovery = true; offered = made; FINE }
	/* The device stores it, then says STORED. */
	:: d_step { offered != 0 -> device_store(offered); stored = offered; offered = 0; FINE }
	/* The gateway commits {K'}, also when the window has been shut meanwhile, then says DONE, which may be lost. */
	:: d_step { stored != 0 && stored == gateway_pending -> k = stored; stored = 0; settle(k); k = 0; FINE }
	/* DONE arrives: the others are wiped. */
	:: d_step { recovering && stored == 0 && offered == 0 && stored_once && gateway_now == device_new ->
		device_old = 0; device_older = 0; recovering = false; FINE }
	/* Loss, a power cut, a crash: the connection is gone, and the window with the gateway's crash; what is durable
	 * stays. */
	:: d_step { session != 0 || recovering -> session = 0; recovering = false; offered = 0; stored = 0; FINE }
#ifdef BROKEN_WIPE
	:: d_step { gateway_pending = 0; by_recovery = false; session = 0; recovering = false; offered = 0; stored = 0; FINE }
#endif
	od
}
