/*
 * The keeper of a Semaphore's permits takes some and gives them back by plain stores to its mark, which leave its store
 * buffer (TSO) when they like; others recall them, with a barrier, and the first of them, or the keeper itself, decides what
 * the mark said. Client 0 begins as the keeper; all may become it, by several grants. Anybody may die anywhere, or stop for
 * ever (which is to be slow); those who recall die, too.
 *
 * What is asserted: never are more permits taken than there are; in the end those that nobody took are free, but for one
 * for each who died in the middle; nobody sleeps while one is free. That somebody waits for one who is dead, or
 * stopped, is an invalid end state.
 */

#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* of client 0 */
#endif
#ifndef EACH
#define EACH 1 /* rounds of the others */
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#ifndef GRANTS
#define GRANTS 2 /* to one mark */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

/* sync/layout.go: SemaphoreState. The count, or who keeps the permits, by which grant */
byte value;
#define keptBy(who, g) (64 + (who) * 8 + (g))
#define isKept(v) (v >= 64)
#define keeperOf(v) ((v - 64) / 8)
#define grantIn(v) (v % 8)
/* sync/ledger_unsafe.go: keepingRow. The grant, and below it what is free; the state has IN_USE or RECALLED in the place of that */
byte mark[CLIENTS];
byte state[CLIENTS];
#define IN_USE 7
#define RECALLED 6
#define grantOf(w) (w / 8)
#define freeOf(w) (w % 8)
#define inUse(w) (grantOf(w) * 8 + IN_USE)
#define recalled(w) (grantOf(w) * 8 + RECALLED)

/* the event: whether somebody may be asleep, and the sequence to sleep on */
bit asleep;
byte seq;

byte deaths, used, lost, over;

/* hardware: what each has stored to its mark that others do not see yet */
chan buffer[CLIENTS] = [4] of { byte };

inline drain(b)
{
	do
	:: nempty(buffer[b]) -> buffer[b]?mark[b]
	:: empty(buffer[b]) -> break
	od
}

proctype Buffer(byte who)
{
end:	do
	:: atomic { nempty(buffer[who]) -> buffer[who]?mark[who] }
	od
}

/* the news of a death wakes all; what it had goes with it, and perhaps what it was about to take or give */
#define die(me, n) atomic { deaths < DEATHS -> deaths++; lost = lost + n; asleep = 0; seq++; goto gone }

/* what is free, when nobody is at work */
#define trulyFree (isKept(value) -> (freeOf(state[keeperOf(value)]) < RECALLED -> freeOf(state[keeperOf(value)]) : freeOf(mark[keeperOf(value)])) : value)

/* sync/semaphore_bias.go: (*Semaphore).kept, which adds n to its mark */
#define sees(n) (g > 0 && state[me] == inUse(m) && freeOf(m) + n >= 0 && freeOf(m) + n <= PERMITS)
inline byMark(n, inTheMiddle)
{
	m = m + n;
	buffer[me]!m;
	if
	:: die(me, inTheMiddle)
	:: true
	fi;
#ifdef BREAK_LOOK
	done = 1;
#else
	if
	:: state[me] == inUse(m) -> done = 1
	:: state[me] != inUse(m) ->
#ifndef BREAK_OWN
		atomic { drain(me); if :: state[me] == recalled(m) -> state[me] = m :: else fi };
		if
		:: die(me, inTheMiddle)
		:: true
		fi;
		done = (state[me] == m);
#endif
		skip
	fi
#endif
}

inline barrier()
{
#ifndef BREAK_FENCE
	atomic {
		q = 0;
		do
		:: q == CLIENTS -> break
		:: q < CLIENTS -> drain(q); q++
		od;
		q = 0
	}
#else
	skip
#endif
}

/* sync/semaphore_bias.go: (*SemaphoreState).settled, (*SemaphoreState).recall. It ends with the count in v */
inline settled(inTheMiddle)
{
	do
	:: v = value;
		if
		:: !isKept(v) -> break
		:: isKept(v) ->
			o = keeperOf(v);
			st = state[o];
			if
			:: grantOf(st) == grantIn(v) && freeOf(st) == IN_USE ->
				atomic { drain(me); if :: state[o] == st -> state[o] = recalled(st) :: else fi };
#ifdef BREAK_AGAIN
				if
				:: die(me, inTheMiddle)
				:: true
				fi;
				barrier()
#endif
			:: grantOf(st) == grantIn(v) && freeOf(st) == RECALLED ->
#ifndef BREAK_AGAIN
				barrier();
#endif
				r = mark[o];
				if
				:: die(me, inTheMiddle)
				:: true
				fi;
#ifdef BREAK_DECIDE
				atomic { drain(me); if :: value == v && grantOf(r) == grantIn(v) -> value = freeOf(r); state[o] = r :: else fi }
#else
				atomic { drain(me); if :: state[o] == st && grantOf(r) == grantIn(v) -> state[o] = r :: else fi }
#endif
			:: grantOf(st) == grantIn(v) && freeOf(st) < RECALLED ->
				atomic { drain(me); if :: value == v -> value = freeOf(st) :: else fi }
#ifdef BREAK_GRANT
			:: grantOf(st) != grantIn(v)
#else
			:: grantOf(st) != grantIn(v) -> assert(value != v)
#endif
			fi;
			st = 0; r = 0; o = 0
		fi
	od
}

/* sync/semaphore_bias.go: (*Semaphore).kept, of who is to be the keeper */
inline become(inTheMiddle)
{
	if
	:: g < GRANTS ->
#ifdef BREAK_GRANT
		g = 1;
#else
		g++;
#endif
		m = g * 8 + v;
		atomic { drain(me); state[me] = inUse(m) };
		buffer[me]!m;
		if
		:: die(me, inTheMiddle)
		:: true
		fi;
		atomic { drain(me); if :: value == v -> value = keptBy(me, g) :: else -> state[me] = 0 fi }
	:: true
	fi
}

proctype Client(byte me)
{
	byte i, v, o, st, r, q, g, m, s;
	bit done;
	if
	:: me == 0 -> g = 1; m = mark[0]
	:: me != 0
	fi;
	do
	:: i == (me == 0 -> ROUNDS : EACH) -> break
	:: i < (me == 0 -> ROUNDS : EACH) ->
		/* sync/semaphore.go: (*Semaphore).Acquire */
		done = 0;
		if
		:: sees(-1) ->
			byMark(-1, 1);
			if
			:: done -> used++; assert(used <= PERMITS)
			:: !done
			fi
		:: !sees(-1)
		fi;
		do
		:: done -> break
		:: !done ->
			/* internal/segment/wait.go: (*Point).Wait, which samples, announces itself, looks and sleeps */
			s = seq;
			atomic { drain(me); asleep = 1 };
			/* sync/semaphore.go: (*Semaphore).insist */
			do
			:: settled(1);
				if
				:: v == 0 -> break
				:: v > 0 ->
					atomic { drain(me); if :: value == v -> value--; v--; done = 1; used++; assert(used <= PERMITS) :: else fi };
					if
					:: done -> break
					:: !done
					fi
				fi
			od;
			if
			:: done -> become(0)
			:: !done ->
				if
				:: seq != s
				:: die(me, 0)
				:: timeout -> assert(trulyFree == 0); goto gone
				fi
			fi
		od;
		if
		:: die(me, 0)
		:: true
		fi;
		/* sync/semaphore.go: (*Semaphore).Release */
		done = 0;
		used--;
		if
		:: sees(1) -> byMark(1, 1)
		:: !sees(1)
		fi;
		do
		:: done -> break
		:: !done ->
			settled(1);
			atomic { drain(me); if :: value == v -> value++; v++; done = 1 :: else fi };
			if
			:: done -> become(0)
			:: !done
			fi
		od;
#ifndef BREAK_WAKE
		if
		:: asleep ->
			if
			:: die(me, 0)
			:: true
			fi;
			atomic { drain(me); asleep = 0; seq++ }
		:: !asleep
		fi;
#endif
		i++
	od;
gone:
	atomic {
		drain(me);
		over++;
		if
		:: over == CLIENTS -> assert(trulyFree <= PERMITS - used && trulyFree + lost >= PERMITS - used)
		:: else
		fi
	}
}

init
{
	byte n;
	atomic {
		value = keptBy(0, 1);
		mark[0] = 8 + PERMITS;
		state[0] = 8 + IN_USE;
		do
		:: n < CLIENTS -> run Client(n); run Buffer(n); n++
		:: else -> break
		od
	}
}
