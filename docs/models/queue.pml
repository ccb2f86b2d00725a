/*
 * The queue: PRODUCERS that take the lock puts, name a box in the slot at the tail, hand it over, and commit by the
 * slot's sequence; CONSUMERS that take the lock gets, write down what they are about to do, pass the point of no return, and
 * do it. All but the first consumer may die anywhere; whoever meets the lock of somebody dead inherits it, and mends, and may die in that.
 *
 * What is asserted: each message that was committed is taken once, in its order, with its box; none that was not committed
 * is; there are never more than CAPACITY; and at the end each process has the credit of exactly what it took, and each box is
 * free, but for those that a slot names in which nothing was committed. That somebody dead holds up the others is an
 * invalid end state.
 *
 * A plain store is followed by no load of another's word that matters here (wake-ups are the matter of event.pml), and
 * x86 keeps stores in their order, so that memory is sequentially consistent here.
 */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef EACH
#define EACH 2 /* messages of each producer */
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define SIZE 2
#define ALL (PRODUCERS + CONSUMERS)
#define TOTAL (PRODUCERS * EACH)
#define SLOT(p) ((p) % SIZE)

/* queue/layout.go: queueState, row, parcel */
byte puts, gets;           /* the locks: 1 + the process, 0: nobody */
byte tail, head, reach, taker, credit;
byte taken[ALL];
byte sequence[SIZE];
byte box[SIZE];            /* 1 + the box, 0: none */

/* internal/segment/block.go: Block
 * One for each message, whose place has a generation, so that no other is named by it. */
#define FREE 0
#define OWNED 1
#define TIED 2
#define SETTLED 3
byte state[TOTAL];
byte owner[TOTAL];

bit dead[ALL];
byte deaths;

/* What only the model knows. */
byte order[TOTAL];         /* 1 + the message that was committed at that position */
byte committed;
byte gone;                 /* positions of which somebody passed the point of no return */
byte took[ALL];
byte ended;
byte producing = PRODUCERS;

#define mine(k, me) ((state[k] == OWNED || state[k] == TIED) && owner[k] == me)

/* A death, with the sweep that comes before its proof: internal/segment/heap_sweep.go */
#define die(me) \
	atomic { deaths < DEATHS && me != PRODUCERS -> deaths++; dead[me] = 1; k = 0; \
		do \
		:: k < TOTAL && mine(k, me) -> \
			if \
			:: state[k] == TIED && (box[0] == k + 1 || box[1] == k + 1) -> state[k] = SETTLED \
			:: else -> state[k] = FREE \
			fi; k++ \
		:: k < TOTAL && !mine(k, me) -> k++ \
		:: k == TOTAL -> break \
		od; goto over }

#define mayDie(me) \
	if \
	:: die(me) \
	:: skip \
	fi

/* queue/parcel.go: (*queue).release */
#define release(s) \
	atomic { if \
	:: box[s] != 0 && state[box[s] - 1] == SETTLED -> state[box[s] - 1] = FREE \
	:: else -> skip \
	fi }

/* queue/get.go: (*queue).finish, of who mends */
#ifdef BREAK_CREDIT
#define CREDIT taken[taker] + 1
#else
#define CREDIT credit
#endif
#define call_finish(me) \
	if \
	:: reach > head -> \
		taken[taker] = CREDIT; \
		mayDie(me); \
		release(SLOT(head)); \
		mayDie(me); \
		box[SLOT(head)] = 0; \
		mayDie(me); \
		head = reach; \
		mayDie(me) \
	:: else -> skip \
	fi

proctype producer(byte me)
{
	byte i, b, k;
	do
	:: i == EACH -> break
	:: i < EACH ->
		b = me * EACH + i;
		atomic { state[b] = OWNED; owner[b] = me };
		mayDie(me);
again:
		/* queue/core.go: (*queue).enter, (*queue).mendPuts */
		if
		:: atomic { puts == 0 -> puts = me + 1 }
		:: atomic { puts != 0 && puts != me + 1 && dead[puts - 1] -> puts = me + 1 };
			mayDie(me);
#ifndef NO_MENDPUTS
			d_step { do
			:: sequence[SLOT(tail)] == tail + 1 -> tail++
			:: else -> break
			od }
#endif
		fi;
		mayDie(me);
		if
		:: tail - head >= CAPACITY ->
			puts = 0;
			/* queue/put.go: (*queue).awaitRoom */
			if
			:: die(me)
			:: tail - head < CAPACITY || reach != head && gets != 0 && dead[gets - 1]
			fi;
			if
			/* queue/core.go: (*queue).rescue */
			:: atomic { reach != head && gets != 0 && dead[gets - 1] -> gets = me + 1 };
				call_finish(me);
				gets = 0
			:: else -> skip
			fi;
			goto again
		:: else -> skip
		fi;
		/* queue/parcel.go: (*queue).store */
#ifndef NO_RELEASE
		release(SLOT(tail));
		mayDie(me);
		box[SLOT(tail)] = 0;
		mayDie(me);
#endif
		assert(sequence[SLOT(tail)] != tail + 1);
		state[b] = TIED;
		mayDie(me);
		box[SLOT(tail)] = b + 1;
		mayDie(me);
		state[b] = SETTLED;
		mayDie(me);
		atomic { sequence[SLOT(tail)] = tail + 1; order[committed] = b + 1; committed++;
			assert(committed == tail + 1 && committed - gone <= CAPACITY) };
		mayDie(me);
		tail++;
		mayDie(me);
		puts = 0;
		i++
	od;
over:
	atomic { producing--; ended++ }
}

proctype consumer(byte me)
{
	byte b, k;
	do
	:: true ->
		/* queue/get.go: (*Queue).take
		 * queue/core.go: (*queue).enter, (*queue).mendGets */
		if
		:: producing == 0 && sequence[SLOT(head)] != head + 1 -> break
		:: sequence[SLOT(head)] == head + 1
		:: die(me)
		fi;
		if
		:: atomic { gets == 0 -> gets = me + 1 }
		:: atomic { gets != 0 && gets != me + 1 && dead[gets - 1] -> gets = me + 1 };
			mayDie(me);
#ifndef NO_MENDGETS
			call_finish(me)
#endif
		:: gets != 0 && gets != me + 1 && producing == 0 && sequence[SLOT(head)] != head + 1 -> break
		fi;
		if
		:: sequence[SLOT(head)] != head + 1 -> gets = 0
		:: else ->
			b = box[SLOT(head)];
			mayDie(me);
#ifdef BREAK_TAKE
			atomic { assert(state[b - 1] == SETTLED); state[b - 1] = OWNED; owner[b - 1] = me };
			mayDie(me);
#endif
			/* queue/get.go: (*queue).intend */
			taker = me;
			mayDie(me);
			credit = taken[me] + 1;
			mayDie(me);
			atomic { reach = head + 1; assert(order[head] == b && head == gone); gone++; took[me]++ };
			mayDie(me);
			/* queue/get.go: (*queue).finish */
			taken[me] = credit;
			mayDie(me);
#ifndef BREAK_TAKE
			atomic { assert(b != 0 && state[b - 1] == SETTLED); state[b - 1] = OWNED; owner[b - 1] = me };
			mayDie(me);
#endif
			box[SLOT(head)] = 0;
			mayDie(me);
			head = reach;
			mayDie(me);
			gets = 0;
			mayDie(me);
			state[b - 1] = FREE
		fi
	od;
over:
	ended++
}

init
{
	byte i, k, n, sum;
	atomic {
		i = 0;
		do
		:: i < PRODUCERS -> run producer(i); i++
		:: i >= PRODUCERS && i < ALL -> run consumer(i); i++
		:: i == ALL -> break
		od
	};
	ended == ALL;
	d_step {
		assert(gone == committed);
		i = 0;
		do
		:: i < ALL ->
			assert(taken[i] == took[i]);
			i++
		:: else -> break
		od;
		k = 0;
		do
		:: k < TOTAL ->
			assert(state[k] == FREE || state[k] == SETTLED && (box[0] == k + 1 || box[1] == k + 1));
			k++
		:: else -> break
		od
	}
}
