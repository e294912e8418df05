/*
 * Continuous keys (docs/protocol/knock.md): OFFER, STORED, DONE over a bound session, with the loss of any message, a
 * power cut of the device and a crash of the gateway at every step, and knocks that are delivered late. Keys are
 * numbers; every offer makes a new one.
 *
 * Checked: device and gateway always share a key with which the device can be bound again (so nothing locks it out for
 * good); a key that the gateway has given up never binds again; the gateway never holds more than a current and a
 * pending key.
 *
 * Broken on purpose: -DBROKEN_KNOCK drops the pending key on a knock under the current one, before that knock's session
 * is bound; -DBROKEN_GRANT leaves grants under a key that was given up; -DBROKEN_EAGER gives the current key up when the
 * next one is offered.
 */
#define KEYS 4 /* made in all */

/* Durable. */
byte device_new = 1;
byte device_old;      /* 0: none */
byte gateway_now = 1;
byte gateway_pending; /* 0: none */
byte made = 1;
byte retired;         /* bits: keys that the gateway has given up */

/* Of the moment: lost with either side or the connection. */
byte knocked;         /* bits: knocks under these keys are on their way, for as long as the network likes */
byte granted;         /* bits: the gateway accepted a knock under these keys, and waits for the connection */
byte half;            /* the device has finished the handshake under it; the gateway has not yet heard */
byte session;         /* bound on both sides */
bool offered, stored; /* messages under way */

#define BIT(k) (1 << (k))
#define GATEWAY_HAS(k) ((k) != 0 && ((k) == gateway_now || (k) == gateway_pending))
#define SHARED (GATEWAY_HAS(device_new) || GATEWAY_HAS(device_old))

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
#ifndef BROKEN_GRANT
	granted = granted & BIT(k) /* what is given up loses its grants */
#endif
}

active proctype world()
{
	byte k;

end:	do
	/* The device knocks, with its newest key or the older one. */
	:: d_step { session == 0 -> knocked = knocked | BIT(device_new) }
	:: d_step { session == 0 && device_old != 0 -> knocked = knocked | BIT(device_old) }
	/* A knock arrives, early or late. Keys do not move for it. */
	:: atomic { knocked != 0 -> select (k : 1 .. KEYS);
		if
		:: (knocked & BIT(k)) && GATEWAY_HAS(k) ->
			assert((retired & BIT(k)) == 0);
#ifdef BROKEN_KNOCK
			if
			:: k == gateway_now -> gateway_pending = 0
			:: else
			fi;
#endif
			granted = granted | BIT(k)
		:: else
		fi; k = 0; assert(SHARED) }
	/* The device finishes a handshake: it drops the older key only if it was bound under its newest. */
	:: d_step { half == 0 && session == 0 && (granted & BIT(device_new)) ->
		half = device_new; granted = granted & ~BIT(half); device_old = 0; assert(SHARED) }
	:: d_step { half == 0 && session == 0 && device_old != 0 && (granted & BIT(device_old)) ->
		half = device_old; granted = granted & ~BIT(half); assert(SHARED) }
	/* The gateway hears its Finished: bound. */
	:: d_step { half != 0 && GATEWAY_HAS(half) -> session = half; half = 0; settle(session); assert(SHARED) }
	/* OFFER: committed before it is sent. */
	:: d_step { session != 0 && gateway_pending == 0 && made < KEYS && !offered && !stored ->
		made++; gateway_pending = made; offered = true;
#ifdef BROKEN_EAGER
		gateway_now = made; gateway_pending = 0;
#endif
		assert(SHARED) }
	/* The device stores {new, old}, then says STORED. */
	:: d_step { session != 0 && offered ->
		offered = false;
		device_old = session; device_new = gateway_pending; stored = true;
		assert(SHARED) }
	/* The gateway commits {new} and a tombstone of the old, then says DONE, which may be lost. */
	:: d_step { session != 0 && stored && gateway_pending != 0 ->
		stored = false; k = gateway_pending; settle(k); session = k; k = 0; assert(SHARED) }
	/* DONE arrives: the old key is wiped. */
	:: d_step { session != 0 && session == device_new && device_old != 0 && !stored && !offered && gateway_pending == 0 ->
		device_old = 0; assert(SHARED) }
	/* Loss, a power cut, a crash: the connection is gone, what is durable stays. */
	:: d_step { half != 0 || session != 0 -> half = 0; session = 0; offered = false; stored = false; assert(SHARED) }
	/* Grants expire; a crash of the gateway ends them all. */
	:: d_step { granted != 0 -> granted = 0 }
	od
}
