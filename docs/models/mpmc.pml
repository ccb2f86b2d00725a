/*
 * The ring of any number of ends: PRODUCERS that lock a lane, write, publish, unlock, and may die anywhere;
 * CONSUMERS that swap the head and may die anywhere; whoever meets the lock of somebody dead inherits it; and an
 * auditor who counts what the dead consumers lost, any time after a death, and may be cut off in the middle,
 * whereupon another begins again.
 *
 * What is asserted: each value that was committed comes out once, in its producer's order; nothing that was not
 * committed comes; a lane never holds more than its quota, nor all of them more than the capacity; and at the end
 * what was counted as lost is exactly what was taken and not returned by consumers that died. That somebody
 * dead holds up the others is an invalid end state.
 *
 * There are two lanes. A plain store is followed by no load of another's word that matters here (wake-ups are
 * the matter of event.pml), and x86 keeps stores in their order, so that memory is sequentially consistent here.
 */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef EACH
#define EACH 2 /* values of each producer */
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef DEATHS
#define DEATHS 1 /* how many may die, of those whom MORTAL names, a bit each: the producers, then the consumers */
#endif
#ifndef MORTAL
#define MORTAL 255
#endif
#define LANES 2
#define SIZE 4 /* slots of a lane, no fewer than CAPACITY; and more, so that a slot that is used too early shows */
#define ALL (PRODUCERS + CONSUMERS)
#define TOTAL (PRODUCERS * EACH)

/* ring/mpmc_layout.go: lane, hall, seat */
byte lock[LANES];             /* 1 + the process, 0: nobody */
byte tail[LANES];
byte limit[LANES];
byte quota[LANES];            /* one word: every change of both is one step */
byte sequence[LANES * SIZE];  /* of the slot: its position + 1, 0: never used */
byte value[LANES * SIZE];
byte headEnd[LANES];          /* the head: one word */
byte headSeat[LANES];
byte takeEnd[CONSUMERS * LANES]; /* a seat's take: one word */
byte takeState[CONSUMERS * LANES];
byte lostOf[CONSUMERS];
byte target[CONSUMERS];
#define NONE 0
#define DONE 1
#define OPEN 2
#define FOLD 3
#define TAKE(c, l) ((c) * LANES + (l))
#define SLOT(l, p) ((l) * SIZE + (p) % SIZE)

bit dead[ALL];
byte deaths;

/* What only the model knows. */
byte committed[PRODUCERS];    /* values published */
byte came[PRODUCERS];         /* the last that was taken */
byte taken;
byte missing;                 /* taken, and the taker died before it had said that they are returned */
bit holding[CONSUMERS];       /* took something and did not return it yet */
bit ended[ALL];

#define die(me) \
	atomic { deaths < DEATHS && ((MORTAL >> (me)) & 1) -> deaths++; dead[me] = 1; goto over }

/* ring/mpmc_push.go: (*MPMC).lock
 * Proof of death is exact: see mutex.pml. */
inline tryLock(me, l)
{
	if
	:: atomic { lock[l] == 0 -> lock[l] = me + 1; got = 1 }
	:: atomic { lock[l] != 0 && dead[lock[l] - 1] -> lock[l] = me + 1; got = 1 };
		/* ring/mpmc.go: (*track).written */
		d_step {
			at = headEnd[l];
			do
			:: sequence[SLOT(l, at)] == at + 1 -> at++
			:: else -> break
			od;
			limit[l] = at;
		};
		tail[l] = at;
	:: atomic { lock[l] != 0 && !dead[lock[l] - 1] -> got = 0 }
	fi
}

proctype producer(byte me)
{
	byte l = me % LANES, other = 1 - me % LANES, at, i, head, left;
	bit got;
	do
	:: i == EACH -> break
	:: i < EACH ->
		/* ring/mpmc_push.go: (*MPMC).Push, (*MPMC).push */
		tryLock(me, l);
		if
		:: !got -> skip
		:: got ->
			if
			:: die(me)
			:: tail[l] < limit[l] -> skip
			:: tail[l] >= limit[l] ->
				/* ring/mpmc_room.go: (*MPMC).refill */
				head = headEnd[l];
				if
				:: tail[l] - head < quota[l] -> limit[l] = head + quota[l]
				:: else ->
					/* ring/mpmc_room.go: (*MPMC).borrow, (*MPMC).left, (*MPMC).move */
					if
					:: atomic { lock[other] == 0 -> lock[other] = me + 1; got = 1 }
					:: atomic { lock[other] != 0 && lock[other] != me + 1 && dead[lock[other] - 1] -> lock[other] = me + 1; got = 1 };
						d_step {
							at = headEnd[other];
							do
							:: sequence[SLOT(other, at)] == at + 1 -> at++
							:: else -> break
							od;
							limit[other] = at;
						};
						tail[other] = at
					:: atomic { lock[other] != 0 && !dead[lock[other] - 1] -> got = 0 }
					fi;
					if
					:: !got
					:: got ->
						left = 0;
						if
						:: die(me)
						:: tail[other] - headEnd[other] < quota[other] ->
							limit[other] = tail[other];
							left = (quota[other] - (tail[other] - headEnd[other]) + 1) / 2;
							d_step {
								if /* the head may only have gone on */
								:: left > 0 -> quota[other] = quota[other] - left; quota[l] = quota[l] + left
								:: else
								fi
							}
						:: tail[other] - headEnd[other] >= quota[other]
						fi;
						if
						:: die(me)
						:: lock[other] = 0
						fi
					fi;
					got = 1
				fi
			fi;
			if
			:: tail[l] < limit[l] ->
				at = tail[l];
				value[SLOT(l, at)] = me * EACH + i + 1;
				if
				:: die(me)
				:: d_step {
					sequence[SLOT(l, at)] = at + 1; /* commits */
					committed[me]++; i++;
					assert(at + 1 - headEnd[l] <= quota[l]) };
				fi;
				if
				:: die(me)
				:: tail[l] = at + 1
				fi
			:: else
			fi;
			if
			:: die(me)
			:: lock[l] = 0
			fi
		fi;
		at = 0; head = 0; left = 0; got = 0
	od;
over:
	ended[me] = 1
}

/* ring/mpmc_seat.go: (*seat).keep */
inline keep(c, l, e)
{
	d_step { w = takeEnd[TAKE(c, l)]; s = takeState[TAKE(c, l)] };
	if
#ifndef NO_KEEP
#ifdef BREAK_LATER
	:: w != e ->
#else
	:: w < e ->
#endif
		d_step {
			if
			:: takeEnd[TAKE(c, l)] == w && takeState[TAKE(c, l)] == s -> takeEnd[TAKE(c, l)] = e; takeState[TAKE(c, l)] = OPEN
			:: else
			fi
		}
#endif
	:: else
	fi;
	w = 0; s = 0
}

proctype consumer(byte c)
{
	byte me = PRODUCERS + c, l, e, h, v, w, s;
	bit all;
	do
	:: taken == TOTAL -> break
	/* whoever died has committed less than he was to */
	:: all -> break
	:: else ->
		if
		:: die(me)
		:: l = 0
		:: l = 1
		fi;
		/* ring/mpmc_take.go: (*MPMC).takeFrom; ring/mpmc_pop.go: (*MPMC).Pop */
		d_step { e = headEnd[l]; h = headSeat[l] };
		if
		:: sequence[SLOT(l, e)] != e + 1 -> skip
		:: else ->
			/* ring/mpmc_take.go: (*MPMC).settle */
			if
			:: h != 0 && h != c + 1 -> keep(h - 1, l, e)
			:: else
			fi;
			v = value[SLOT(l, e)];
			if
			:: die(me)
			:: d_step { headEnd[l] == e && headSeat[l] == h ->
					headEnd[l] = e + 1; headSeat[l] = c + 1; /* commits */
					assert(v > 0 && v - 1 - ((v - 1) / EACH) * EACH == came[(v - 1) / EACH]);
					came[(v - 1) / EACH]++;
					taken++;
					holding[c] = 1 };
				if
				:: atomic { deaths < DEATHS && ((MORTAL >> (me)) & 1) -> deaths++; dead[me] = 1; missing++; goto over }
				:: d_step { takeEnd[TAKE(c, l)] = e + 1; takeState[TAKE(c, l)] = DONE; holding[c] = 0 }
				fi
			:: headEnd[l] != e || headSeat[l] != h
			fi
		fi;
		e = 0; h = 0; v = 0;
		d_step {
			all = 1; l = 0;
			do
			:: l < PRODUCERS -> if :: ended[l] && came[l] == committed[l] :: else -> all = 0 fi; l++
			:: else -> break
			od;
			l = 0
		}
	od;
over:
	ended[me] = 1
}

/* ring/mpmc_seat.go: (*MPMC).reckon, (*MPMC).Lost
 * The seat is the caller's: there is one auditor at a time, who may give up anywhere, as one who dies. */
byte audits;
#define CUT atomic { audits < 1 -> audits++; goto again }

inline reckon(c)
{
	l = 0;
	do
	:: l == LANES -> break
	:: else ->
		d_step { e = headEnd[l]; h = headSeat[l] };
		if
		:: h == c + 1 -> keep(c, l, e)
		:: else
		fi;
		if
		:: takeState[TAKE(c, l)] == OPEN ->
			target[c] = lostOf[c] + 1;
			if :: CUT :: true fi;
#ifdef NO_FOLD
			lostOf[c] = target[c];
			if :: CUT :: true fi;
			takeState[TAKE(c, l)] = DONE
#else
			takeState[TAKE(c, l)] = FOLD
#endif
		:: else
		fi;
		if :: CUT :: true fi;
		if
		:: takeState[TAKE(c, l)] == FOLD ->
			lostOf[c] = target[c];
			if :: CUT :: true fi;
			takeState[TAKE(c, l)] = DONE
		:: else
		fi;
		l++
	od;
	l = 0; e = 0; h = 0
}

proctype auditor()
{
	byte c, l, e, h, w, s, sum;
	bit all;
again:
	c = 0; l = 0; e = 0; h = 0; w = 0; s = 0;
	do
	:: c == CONSUMERS -> break
	:: else ->
		if
		:: dead[PRODUCERS + c] -> reckon(c)
		:: else
		fi;
		c++
	od;
	/* once at any time, and once when all is over */
	if
	:: audits < 2 && !all -> all = 1; goto again
	:: else
	fi;
	d_step {
		all = 1; c = 0;
		do
		:: c < ALL -> if :: ended[c] :: else -> all = 0 fi; c++
		:: else -> break
		od
	};
	if
	:: all
	:: else ->
		(ended[0] && ended[1] && ended[ALL - 1] && ended[ALL - 2]);
		goto again
	fi;
	c = 0; sum = 0;
	do
	:: c == CONSUMERS -> break
	:: else ->
		if
		:: dead[PRODUCERS + c] -> reckon(c)
		:: else
		fi;
		sum = sum + lostOf[c];
		c++
	od;
	assert(sum == missing)
}

init
{
	byte i;
	atomic {
		/* ring/mpmc.go: (plan).quotas */
		quota[0] = CAPACITY - CAPACITY / 2; quota[1] = CAPACITY / 2;
		i = 0;
		do
		:: i < PRODUCERS -> run producer(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < CONSUMERS -> run consumer(i); i++
		:: else -> break
		od;
		run auditor()
	}
}
