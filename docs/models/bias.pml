/*
 * The bias of a lane of a ring of any number of ends (mpmc.pml): who has it pushes with plain stores, which leave
 * its store buffer in their order, when they like; whoever else wants the lane locks it, has all buffers emptied by a
 * barrier, and looks at the mark. Anybody may die anywhere, or stop for ever (which is to be slow).
 *
 * What is asserted: no position is written twice, none is left out, and all that was pushed is there at the end. That
 * a dead process holds up the others is an invalid end state.
 */

#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifdef UNEVEN
#define TIMES(me) (PUSHERS - me) /* three, two and one, of three */
#else
#define TIMES(me) EACH
#endif
#define SIZE (PUSHERS * EACH + 1)

/* ring/mpmc_layout.go: lane, seat */
byte lock;          /* 1 + the process, 0: nobody */
byte state;         /* of the lock, in the same word */
byte whose;         /* the same: the seat, whose mark is to be looked at; here only where it is not the owner's */
byte tail;
bit sequence[SIZE]; /* of the slot: whether it was published */
bit mark[PUSHERS];
/* ring/mpmc_bias.go: stateLocked, stateBiased, stateRevoked, stateDrained */
#define LOCKED 0
#define BIASED 1
#define REVOKED 2
#define DRAINED 3

#ifndef BREAK_NAME
#define NAMED (s == REVOKED) /* its owner is who revokes */
#else
#define NAMED false
#endif

bit dead[PUSHERS];
byte deaths;
byte committed;
byte pushed; /* by those who live */

/* hardware: what each has stored that others do not see yet */
mtype = { MARK, SLOT, TAIL, UNLOCK };
chan buffer[PUSHERS] = [6] of { mtype, byte };

inline visible(p)
{
	buffer[p]?w,x;
	if
	:: w == MARK -> mark[p] = x
	:: w == SLOT -> assert(!sequence[x]); assert(x == committed); sequence[x] = 1; committed++
	:: w == TAIL -> tail = x
	:: w == UNLOCK -> assert(lock == p + 1 && state == LOCKED); lock = 0
	fi;
	w = 0; x = 0
}

inline drain(p)
{
	do
	:: nempty(buffer[p]) -> visible(p)
	:: empty(buffer[p]) -> break
	od
}

proctype Buffer(byte who)
{
	mtype w;
	byte x;
end:	do
	:: atomic { nempty(buffer[who]) -> visible(who) }
	od
}

/* the proof of a death comes after the last store */
#define die(me) atomic { deaths < DEATHS -> deaths++; drain(me); dead[me] = 1; goto over }

/* ring/mpmc_push.go: (*MPMC).inherit */
inline reckon(me)
{
	d_step {
		t = 0;
		do
		:: sequence[t] -> t++
		:: else -> break
		od
	};
	if
	:: die(me)
	:: atomic { drain(me); tail = t }
	fi
}

#ifndef BREAK_NAME
/* ring/mpmc_bias.go: (*MPMC).revoke, (*MPMC).drain, with its barrier: internal/futex/fence.go: Barrier */
inline revoke(me)
{
	if
	:: s == BIASED || s == REVOKED /* of one who is dead */
	:: s == DRAINED ->
		/* whoever sleeps is woken by the owner behind its push, or by its death */
		(mark[o - 1] == 0 || dead[o - 1] || lock != o || state != s)
	fi;
	if
	:: s == DRAINED && mark[o - 1]
	:: else ->
		atomic {
			drain(me);
			if
			:: lock == o && state == s && whose == v ->
				if
				:: s != REVOKED -> whose = o
				:: else
				fi;
				lock = me + 1; state = REVOKED; got = 1
			:: else
			fi
		};
		if
		:: got ->
			if
			:: die(me)
			:: true
			fi;
			if
			:: s != DRAINED ->
				atomic {
#ifndef BREAK_FENCE
					q = 0;
					do
					:: q < PUSHERS -> drain(q); q++
					:: else -> break
					od;
#endif
					q = 0
				}
			:: else
			fi;
			if
			:: die(me)
			:: true
			fi;
			if
#ifndef BREAK_MARK
			:: mark[whose - 1] -> atomic { drain(me); lock = whose; state = DRAINED; whose = 0; got = 0 }
#endif
			:: else ->
				atomic { drain(me); state = LOCKED; whose = 0 };
				reckon(me)
			fi
		:: !got
		fi
	fi
}
#else
/* how it was: the state alone says how far the revocation is, and comes twice */
inline revoke(me)
{
	if
	:: s == BIASED -> atomic { drain(me); if :: lock == o && state == s -> state = REVOKED :: else fi }
	:: s == REVOKED ->
		atomic {
			q = 0;
			do
			:: q < PUSHERS -> drain(q); q++
			:: else -> break
			od;
			q = 0
		};
		atomic { drain(me); if :: lock == o && state == s -> state = DRAINED :: else fi }
	:: s == DRAINED ->
		(mark[o - 1] == 0 || dead[o - 1] || lock != o || state != s);
		if
		:: mark[o - 1] == 0 ->
			atomic { drain(me); if :: lock == o && state == s -> lock = me + 1; state = LOCKED; got = 1 :: else fi }
		:: else
		fi
	fi
}
#endif

proctype Pusher(byte me)
{
	byte i, t, o, s, v, q, x;
	mtype w;
	bit got, bias; /* ring/mpmc.go: presence.bias */
	do
	:: i == TIMES(me) -> break
	:: else ->
		if
		:: bias ->
			/* ring/mpmc_push.go: (*MPMC).Push */
			buffer[me]!MARK,1;
			if
			:: die(me)
			:: true
			fi;
#ifdef BREAK_LOOK
			true ->
#else
			if
			:: d_step { lock == me + 1 && state == BIASED } ->
#endif
				if
				:: die(me)
				:: buffer[me]!SLOT,t; i++; pushed++
				fi;
				t++;
				if
				:: die(me)
				:: buffer[me]!TAIL,t
				fi;
				if
				:: die(me)
				:: buffer[me]!MARK,0
				fi
#ifndef BREAK_LOOK
			:: d_step { lock == me + 1 && state == BIASED } ->
				/* it needs more than a push */
				atomic {
					drain(me);
					if
					:: lock == me + 1 && state == BIASED -> state = LOCKED; got = 1
					:: else
					fi
				};
				atomic { drain(me); mark[me] = 0 };
				bias = 0
			:: d_step { !(lock == me + 1 && state == BIASED) } ->
				atomic { drain(me); mark[me] = 0 };
				bias = 0
			fi
#endif
		:: !bias ->
			/* ring/mpmc_push.go: (*MPMC).lock, (*MPMC).pushLocked */
			do
			:: got -> break
			:: !got ->
				d_step { o = lock; s = state; v = whose };
				if
				:: o == 0 -> atomic { drain(me); if :: lock == 0 -> lock = me + 1; state = LOCKED; got = 1 :: else fi }
				:: o != 0 && o != me + 1 && dead[o - 1] && !NAMED ->
					atomic {
						drain(me);
						if
						:: lock == o && state == s -> lock = me + 1; state = LOCKED; got = 1
						:: else
						fi
					};
					if
					:: got -> reckon(me)
					:: !got
					fi
				:: o != 0 && (NAMED && dead[o - 1] || !NAMED && s != LOCKED && (o == me + 1 || !dead[o - 1])) -> revoke(me)
				:: o != 0 && o != me + 1 && (s == LOCKED || NAMED) && !dead[o - 1] -> (lock != o || state != s || dead[o - 1])
				/* its own unlock is in its buffer still */
				:: o == me + 1 && s == LOCKED -> (lock != o)
				fi
			od;
			t = tail;
			if
			:: die(me)
			:: buffer[me]!SLOT,t; i++; pushed++
			fi;
			t++;
			if
			:: die(me)
			:: buffer[me]!TAIL,t
			fi;
			if
			:: die(me)
			:: buffer[me]!UNLOCK,0
			fi;
			got = 0;
			/* ring/mpmc_bias.go: (*MPMC).grant */
			if
			:: atomic { true -> drain(me); if :: lock == 0 -> lock = me + 1; state = BIASED; bias = 1; t = tail :: else fi }
			:: true
			fi
		fi;
		o = 0; s = 0; v = 0
	od;
	atomic { drain(me) };
over:
	skip
}

init
{
	byte n;
	atomic {
		do
		:: n < PUSHERS -> run Pusher(n); run Buffer(n); n++
		:: else -> break
		od
	}
}
