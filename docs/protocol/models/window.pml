/*
 * The window and the attempt rule (docs/protocol/knock.md, "Device" and "Gateway"), in small: W counters instead of 16,
 * counters up to LAST. The network keeps every datagram that was ever sent and may deliver any of them, at any time, as
 * often as it likes: loss, delay, reordering, duplication and an attacker's replay are all this one choice. Either side
 * may crash at any step. Connections may fail after the knock was accepted.
 *
 * Checked: no counter opens twice; and from every state that any history leads to, a device whose packets get through
 * from then on is bound within LIMIT attempts.
 *
 * Broken on purpose, to see that the model notices: -DBROKEN_BURN opens before the burn is durable; -DBROKEN_SWEEP has
 * no sweep, the device goes round the W counters above its own.
 */
#ifndef W
#define W 3
#endif
#ifndef LAST
#define LAST 16
#endif
#define ATTEMPTS 17 /* at most, while packets are lost */
#define LIMIT 64

byte bound;      /* device, durable: the counter of the last bound knock */
byte attempt;    /* device: a crash loses it */
byte burnt;      /* gateway, durable: the floor */
byte staged;     /* gateway, in memory: authentic, and its commit has not happened */
int sent;        /* network: a bit for each counter above the floor; the others do nothing any more */
byte opened;     /* the greatest counter that made a grant */
byte granted;    /* gateway, in memory: the counter of a grant that waits for its connection; 0 = none */
bool good;       /* the network has become good */
byte tries;

#define BIT(c) (1 << (c))

inline open_grant(c)
{
	assert(c > opened); /* never twice */
	opened = c;
	granted = c
}

/* The counter of attempt n: the W next ones, then sweeps of growing length over the anchors. */
inline counter_of(n, out)
{
	byte k, round;
	if
	:: n < W -> out = bound + 1 + n
	:: else ->
#ifdef BROKEN_SWEEP
		out = bound + 1 + (n % W)
#else
		k = n - W;
		round = 1;
		do
		:: k > round -> k = k - (round + 1); round++
		:: else -> break
		od;
		out = bound + W * (k + 1)
#endif
	fi;
	k = 0;
	round = 0
}

inline knock()
{
	counter_of(attempt, c);
	if
	:: c <= burnt
	:: c > burnt && c <= LAST -> sent = sent | BIT(c)
	:: c > LAST -> c = 0
	fi;
	attempt++
}

/* One step of a gateway to which counter c is delivered. */
inline deliver(c)
{
	if
	:: staged == 0 && c > burnt && c <= burnt + W ->
#ifdef BROKEN_BURN
		open_grant(c);
#endif
		staged = c
	:: else
	fi
}

inline commit()
{
	burnt = staged;
	sent = sent & ~(BIT(burnt + 1) - 1);
	staged = 0;
#ifndef BROKEN_BURN
	open_grant(burnt)
#endif
}

active proctype world()
{
	byte c;

	/* Anything may happen, in any order. */
	do
	:: d_step { attempt < ATTEMPTS -> knock(); c = 0 }
	:: d_step { attempt > 0 -> attempt = 0 }         /* the device's crash */
	:: atomic {
		staged == 0 ->
		select (c : 1 .. LAST);
		if
		:: (sent & BIT(c)) -> deliver(c)
		:: else
		fi;
		c = 0
	}
	:: d_step { staged != 0 -> commit() }
	:: d_step { staged != 0 || granted != 0 -> staged = 0; granted = 0 } /* the gateway's crash, a failed commit */
	/* The connection of the newest grant succeeds, if it is the device's own and newest knock. */
	:: d_step { granted > bound && granted != 0 -> bound = granted; attempt = 0; granted = 0 }
	:: d_step { granted != 0 -> granted = 0 }        /* it fails, or the grant expires */
	:: good = true; break
	od;

	/* From now on every packet arrives. What is under way ends first. */
	atomic {
		staged = 0;
		granted = 0;
		sent = 0
	}
	do
	:: atomic {
		knock();
		tries++;
		assert(tries <= LIMIT); /* never locked out */
		if
		:: c == 0 -> break /* the counters of this small world are used up: no statement */
		:: else -> deliver(c)
		fi;
		c = 0;
		if
		:: staged != 0 ->
			commit();
			assert(granted > bound);
			break
		:: else
		fi
	}
	od
}
