/*
 * The leases of a queue: CONSUMERS that take messages by way of bays, and are done with them, or give them back, or die. All but
 * the first one may die anywhere; whoever meets the lock of somebody dead inherits it, and mends, and may die in that. What came back
 * MOST times goes to the queue for the dead. The messages, with a box each, are in the ring from the beginning: queue.pml has how they come there.
 *
 * What is asserted: no message is had by two who are alive, and none comes again behind its Ack; whoever has one finds its box; and at
 * the end each message is done, or with the dead, none is in a bay, and each box is free, but for those that a bay names which is
 * free. That a message is stuck is an invalid end state.
 *
 * As in queue.pml, memory is sequentially consistent here.
 */

#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef BAYS
#define BAYS 2
#endif
#ifndef MOST
#define MOST 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

/* queue/bays.go: free, leasedOut, returned, buried */
#define FREE 0
#define OUT 1
#define BACK 2
#define BURIED 3

/* queue/layout.go: queueState, bay, parcel */
byte gets;                 /* the lock: 1 + the process, 0: nobody */
byte head, reach, taker;
byte slotBox[MESSAGES];    /* 1 + the message whose box it is, 0: none */
byte word[BAYS];           /* status */
byte times[BAYS];          /* of the same word */
byte owner[BAYS];          /* 1 + the process */
byte message[BAYS];
byte bayBox[BAYS];

bit dead[CONSUMERS];
byte deaths;

/* What only the model knows. */
bit freed[MESSAGES];       /* the box of the message */
bit done[MESSAGES];
byte grave[MESSAGES];      /* how often it is in the queue for the dead */
byte had[MESSAGES];        /* 1 + who has it */
byte ended;

#define die(me) \
	atomic { deaths < DEATHS && me != 0 -> deaths++; dead[me] = 1; goto over }

#define mayDie(me) \
	if \
	:: die(me) \
	:: skip \
	fi

/* queue/parcel.go: (*queue).release */
#define release(box) \
	atomic { if \
	:: box != 0 -> freed[box - 1] = 1 \
	:: else -> skip \
	fi }

/* queue/get.go: (*queue).finish
 * queue/bays.go: (*queue).moor */
#define call_finish(me) \
	if \
	:: reach > head -> \
		if \
		:: slotBox[head] != 0 -> bayBox[taker - 1] = slotBox[head]; mayDie(me); slotBox[head] = 0; mayDie(me) \
		:: else -> skip \
		fi; \
		atomic { word[taker - 1] = OUT; times[taker - 1] = 1 }; \
		mayDie(me); \
		head = reach; \
		mayDie(me) \
	:: else -> skip \
	fi

#define isDead(b) (owner[b] != 0 && dead[owner[b] - 1])
#define allDone (head == MESSAGES && word[0] == FREE && word[BAYS - 1] == FREE)

proctype consumer(byte me)
{
	byte b, k, spare, m;
	bit bury;
	do
	:: allDone -> break
	:: die(me)
	:: !allDone ->
		/* queue/core.go: (*queue).enter, (*queue).mendGets */
		if
		:: atomic { gets == 0 -> gets = me + 1 }
		:: atomic { gets != 0 && gets != me + 1 && dead[gets - 1] -> gets = me + 1 };
			mayDie(me);
#ifndef NO_MEND
			call_finish(me)
#else
			reach = head
#endif
		fi;
		/* queue/bays.go: (*queue).reclaim, (*queue).giveBack */
#ifndef NO_RECLAIM
		k = 0;
		do
		:: k < BAYS ->
			atomic { if
			:: (word[k] == OUT || word[k] == BURIED) && isDead(k) -> word[k] = BACK
			:: else -> skip
			fi; k++ };
			mayDie(me)
		:: else -> break
		od;
#endif
		/* queue/bays.go: (*queue).choose */
		atomic { k = 0; b = BAYS; spare = BAYS;
			do
			:: k < BAYS ->
				if
				:: word[k] == BACK && (b == BAYS || message[k] < message[b]) -> b = k
				:: word[k] == FREE && spare == BAYS -> spare = k
				:: else -> skip
				fi; k++
			:: else -> break
			od;
			bury = 0 };
		if
		:: b != BAYS ->
			/* queue/bays.go: (*queue).handAgain */
			bury = times[b] >= MOST;
#ifndef BREAK_OWNER
			owner[b] = me + 1;
			mayDie(me);
#endif
			atomic { if
			:: bury -> word[b] = BURIED
			:: else -> word[b] = OUT; times[b] = times[b] + 1
			fi };
			mayDie(me);
#ifdef BREAK_OWNER
			owner[b] = me + 1;
			mayDie(me);
#endif
			gets = 0
		:: b == BAYS && head < MESSAGES && spare < BAYS ->
			/* queue/bays.go: (*queue).handOut */
			b = spare;
			release(bayBox[b]);
			mayDie(me);
			bayBox[b] = 0;
			mayDie(me);
#ifdef BREAK_BOX
			bayBox[b] = slotBox[head];
			mayDie(me);
#endif
			message[b] = head;
			mayDie(me);
			owner[b] = me + 1;
			mayDie(me);
			taker = b + 1;
			mayDie(me);
			reach = head + 1;
			mayDie(me);
			call_finish(me);
			gets = 0
		:: else ->
			gets = 0;
			b = BAYS
		fi;
		mayDie(me);
		if
		:: b == BAYS ->
			/* queue/lease.go: (*queue).awaitLease */
			if
			:: allDone
			:: word[0] == BACK || word[BAYS - 1] == BACK
#ifndef NO_RECLAIM
			:: word[0] != FREE && isDead(0) || word[BAYS - 1] != FREE && isDead(BAYS - 1)
#endif
			:: gets != 0 && dead[gets - 1]
			:: head < MESSAGES && (word[0] == FREE || word[BAYS - 1] == FREE)
			:: die(me)
			fi
		:: else ->
			atomic { m = message[b];
				assert(had[m] == 0 || dead[had[m] - 1]);
				assert(!done[m]);
				had[m] = me + 1 };
			assert(bayBox[b] == m + 1 && !freed[m]);
			if
			:: bury ->
				/* queue/lease.go: (*Queue).handDown */
				mayDie(me);
				grave[m]++;
				mayDie(me);
				goto ack
			:: else
			fi;
			mayDie(me);
			if
			:: skip ->
				/* queue/bays.go: (*queue).ack, (*queue).vacate */
ack:				k = bayBox[b];
				mayDie(me);
#ifdef BREAK_ACK
				release(k);
				mayDie(me);
#endif
				atomic { assert(word[b] == OUT || word[b] == BURIED); word[b] = FREE; done[m] = 1; had[m] = 0 };
				mayDie(me);
				release(k)
			:: times[b] <= MOST ->
				/* queue/bays.go: (*queue).nack */
				atomic { assert(word[b] == OUT); word[b] = BACK; had[m] = 0 }
			fi
		fi;
		mayDie(me)
	od;
over:
	ended++
}

init
{
	byte i, b;
	atomic {
		i = 0;
		do
		:: i < MESSAGES -> slotBox[i] = i + 1; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < CONSUMERS -> run consumer(i); i++
		:: else -> break
		od
	};
	ended == CONSUMERS;
	d_step {
		assert(head == MESSAGES);
		i = 0;
		do
		:: i < MESSAGES ->
			assert(done[i]);
			assert(freed[i] || bayBox[0] == i + 1 || bayBox[BAYS - 1] == i + 1);
			assert(slotBox[i] == 0 && grave[i] <= 1 + DEATHS);
			i++
		:: else -> break
		od
	}
}
