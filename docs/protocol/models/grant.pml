/*
 * A grant from the knock to the bound connection (docs/protocol/knock.md, "Gateway" 3 to 5 and "Binding"), with both
 * processes, the cloak that outlives them, and a crash of either process at every step. KNOCKS knocks of one device are
 * under way at once; strangers may connect through an open port and replay what they saw.
 *
 * Checked: a knock is accepted once and binds one connection at most; the port opens for nothing that is not burnt on
 * disk, and not before the gateway process holds the key; behind a keeper that serves no door is open that it does not
 * know; when the crashes end, a knock whose packets get through is bound.
 *
 * Broken on purpose: -DBROKEN_ORDER opens the cloak before the gateway has acknowledged; -DBROKEN_CONSUME leaves the
 * one-time key valid after it has bound; -DBROKEN_CLEAR starts a new keeper without emptying the cloak.
 */
#define KNOCKS 4
#define CRASHES 4

byte floor;       /* durable */
byte accepted;    /* bits, by knock, as all that follow */
byte bindings;
byte key;         /* one-time keys in the gateway process */
byte grant;       /* the keeper's memory */
byte cloak;       /* the kernel's map: survives both processes */
bool keeper_up = true;
bool gateway_up = true;
bool lease = true; /* renewed by a keeper that serves, and by nobody else */
byte crashes;

chan to_gateway = [KNOCKS] of { byte };
chan to_keeper = [KNOCKS] of { byte };

#define BIT(c) (1 << (c))
#define NOT(c) (255 - BIT(c))
#define OPEN (lease -> cloak : 0)

inline drop_channels()
{
	do
	:: len(to_gateway) > 0 -> to_gateway ? _
	:: len(to_keeper) > 0 -> to_keeper ? _
	:: else -> break
	od
}

inline end_grant(c)
{
	grant = grant & NOT(c);
	cloak = cloak & NOT(c);
	key = key & NOT(c)
}

/* The burn is on disk before anything else happens. */
inline take(c)
{
	floor = c;
	assert((accepted & BIT(c)) == 0); /* never twice */
	accepted = accepted | BIT(c);
	if
	:: gateway_up ->
		grant = grant | BIT(c);
#ifdef BROKEN_ORDER
		cloak = cloak | BIT(c);
#endif
		to_gateway ! c
	:: else
	fi
}

inline gateway_takes(c)
{
	to_gateway ? c;
	key = key | BIT(c);
	to_keeper ! c
}

inline keeper_opens(c)
{
	to_keeper ? c;
	if
	:: (grant & BIT(c)) -> cloak = cloak | BIT(c)
	:: else /* it has ended meanwhile */
	fi
}

inline check()
{
	assert((OPEN & ~accepted) == 0);
	assert(!keeper_up || (OPEN & ~grant) == 0);
	assert(!keeper_up || (OPEN & ~key) == 0);
	c = 0
}

active proctype world()
{
	byte c;

	do
	/* The datagram of knock c arrives: any of them, at any time, as often as the network likes. */
	:: atomic { keeper_up && len(to_gateway) < KNOCKS -> select (c : 1 .. KNOCKS);
		if
		:: c > floor -> take(c)
		:: else
		fi; check() }
	:: atomic { gateway_up && len(to_gateway) > 0 && len(to_keeper) < KNOCKS -> gateway_takes(c); check() }
	:: atomic { keeper_up && len(to_keeper) > 0 -> keeper_opens(c); check() }
	/* A connection through the open port proves itself with the key of knock c: the device's own, or a replay. */
	:: atomic { gateway_up && OPEN != 0 -> select (c : 1 .. KNOCKS);
		if
		:: (OPEN & BIT(c)) && (key & BIT(c)) ->
			assert((bindings & BIT(c)) == 0); /* one connection at most */
			bindings = bindings | BIT(c);
#ifndef BROKEN_CONSUME
			end_grant(c)
#endif
		:: else
		fi; check() }
	/* Expiry, compared in the kernel, in the keeper and in the gateway. */
	:: atomic { keeper_up && grant != 0 -> select (c : 1 .. KNOCKS);
		if
		:: (grant & BIT(c)) -> end_grant(c)
		:: else
		fi; check() }
	/* The keeper dies. The gateway sees it and withdraws what is not bound; the lease runs out a little later. */
	:: atomic { keeper_up && crashes < CRASHES -> crashes++;
		keeper_up = false; grant = 0; key = 0; drop_channels(); check() }
	:: atomic { !keeper_up && lease -> lease = false; check() }
	/* A new keeper empties the cloak before it serves, or the lease has run out already. */
	:: atomic { !keeper_up ->
#ifndef BROKEN_CLEAR
		cloak = 0;
#endif
		keeper_up = true; lease = true; check() }
	/* The gateway process dies: the keeper sees it at once and ends all grants. */
	:: atomic { gateway_up && crashes < CRASHES -> crashes++;
		gateway_up = false; key = 0; drop_channels();
		if
		:: keeper_up -> grant = 0; cloak = 0
		:: else
		fi; check() }
	:: atomic { !gateway_up -> gateway_up = true; check() }
	:: atomic { keeper_up && gateway_up && floor < KNOCKS -> break }
	:: atomic { floor == KNOCKS -> goto done } /* the counters of this small world are used up */
	od;

	/* Calm. The device's next knock is accepted, its key arrives, the port opens: its connection can be bound. */
	atomic {
		drop_channels();
		c = floor + 1;
		take(c);
		gateway_takes(c);
		keeper_opens(c);
		assert((OPEN & key & BIT(c)) != 0)
	}
done:	skip
}
