package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// patience is how long one run of one side may take: far above what any row needs, so that a hang is an error.
const patience = time.Minute

// A runner measures rows on this machine.
type runner struct {
	runs   int
	divide uint64 // every row's operations by this: 1 for figures, more for a quick look
	most   uint64 // no capacity is larger
	fault  bool   // the receivers expect another payload than what is sent: every run must fail
	refs   *references
	a, b   CPU
	cpus   int    // that this process may use
	two    bool   // there are two of them
	budget budget // the time that all rows may take

	work map[float64]pace // what was calibrated, by the nanoseconds wanted
}

// A pace is a number of steps of work, and what they were measured to cost, where there is a C compiler in C as well.
type pace struct {
	steps uint64
	inC   float64
	inGo  float64
}

func (p pace) String() string {
	if p.inC == 0 {
		return fmt.Sprintf("%d multiplications, %.2f ns in Go", p.steps, p.inGo)
	}
	return fmt.Sprintf("%d multiplications, %.2f ns in C, %.2f in Go", p.steps, p.inC, p.inGo)
}

func newRunner(runs int) (*runner, error) {
	cpus, err := allowedCPUs()
	if err != nil {
		return nil, err
	}
	refs, err := newReferences()
	if err != nil {
		return nil, err
	}
	r := &runner{runs: runs, divide: 1, most: math.MaxUint64, refs: refs, work: map[float64]pace{}}
	r.a, r.b, r.two = choose(cpus)
	r.cpus, r.budget.now = len(cpus), time.Now
	return r, nil
}

func (r *runner) Close() error { return r.refs.Close() }

// errOneCPU says that a row cannot be measured here, which is no failure.
var errOneCPU = errors.New("needs two CPUs, and this process may use only one")

// measure runs a row: reference, ours, reference, ours, ..., so that whatever changes on the machine meets both.
// It returns a result for each of its figures. Where the time is short there are fewer runs than asked for.
func (r *runner) measure(ctx context.Context, row Row) ([]conditioned, error) {
	if row.Place.needsTwo() && !r.two {
		return nil, errOneCPU
	}
	began := r.budget.now()
	share, giveUp, err := r.budget.begin()
	if err != nil {
		return nil, err
	}
	if share > 0 {
		bounded, cancel := context.WithDeadlineCause(ctx, giveUp, errNoTime)
		defer cancel()
		ctx = bounded
	}
	results, err := r.runAll(ctx, row, func(done int) bool {
		spent := r.budget.now().Sub(began)
		return share == 0 || spent+spent/time.Duration(done) <= share
	})
	if err != nil && context.Cause(ctx) == errNoTime {
		err = errNoTime
	}
	for i := range results {
		results[i].Took = r.budget.now().Sub(began)
	}
	return results, err
}

// runAll makes the runs of a row, while another one fits behind so many.
func (r *runner) runAll(ctx context.Context, row Row, another func(done int) bool) ([]conditioned, error) {
	job, conditions, err := r.prepare(ctx, row)
	if err != nil {
		return nil, err
	}
	figures := row.figures()
	m := tally{ours: make([]runs, len(figures)), theirs: make([]runs, len(figures))}
	for run := range r.runs * max(row.Often, 1) {
		if run > 0 && !another(run) {
			break
		}
		err := r.once(ctx, row, figures, job, &m)
		if run > 0 && context.Cause(ctx) == errNoTime {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", run+1, err)
		}
	}
	conditions.Cost, conditions.TheirCost = typical(m.costs), typical(m.theirCosts)
	var results []conditioned
	for i, f := range figures {
		point := row.Point
		if point.Series != "" && f.Name != "" {
			point.Of = f.Name
		}
		results = append(results, conditioned{
			Result: summarize(row, f, m.ours[i], m.theirs[i], m.absent), Conditions: conditions,
			Unsteady: unsteady(f.Unit, m.ours[i], m.theirs[i]), Ours: m.ours[i], Theirs: m.theirs[i],
			Row: row.Name, About: row.About, Point: point,
		})
	}
	return results, nil
}

// A tally is what all runs of a row measured, of each figure, and cost.
type tally struct {
	ours, theirs      []runs
	costs, theirCosts []Cost
	absent            string // why there is no reference
}

// once makes one run of each side.
func (r *runner) once(ctx context.Context, row Row, figures []Figure, job Job, m *tally) error {
	// Another salt in every run: what is checked cannot be left over from the run before.
	job.Salt = uint64(rand.Uint32())
	job.PeerSalt = job.Salt
	if r.fault {
		job.PeerSalt++
	}
	if !row.Reference.none() && m.absent == "" {
		v, err := r.reference(ctx, row, job)
		if reason, ok := errors.AsType[*absentError](err); ok {
			m.absent = reason.reason
		} else if err := note(m.theirs, figures, v.Values.spread(figures), err); err != nil {
			return fmt.Errorf("reference: %w", err)
		} else if row.Reference.Limits == nil {
			m.theirCosts = append(m.theirCosts, v.Usage.per(job))
		}
	}
	v, err := r.ours(ctx, row, job)
	if err := note(m.ours, figures, v.Values, err); err != nil {
		return err
	}
	m.costs = append(m.costs, v.Usage.per(job))
	return nil
}

// runs are what the runs of one side measured of one figure.
type runs []float64

// note appends what a run measured to the runs of each figure.
func note(all []runs, figures []Figure, v Values, err error) error {
	for i, f := range figures {
		if err != nil {
			return err
		}
		var n float64
		if n, err = v.value(f); err == nil {
			all[i] = append(all[i], n)
		}
	}
	return err
}

// prepare makes the job of a row's runs, and says under which conditions they are.
func (r *runner) prepare(ctx context.Context, row Row) (Job, Conditions, error) {
	job := Job{
		N: max(row.N/r.divide, 1), Warm: row.Warm / r.divide,
		Capacity: min(row.Capacity, r.most), Workers: max(row.Workers, 1), A: r.a.ID, B: r.b.ID,
		Confined: row.Place == SameCPU || row.Place == OwnCPUs,
	}
	if row.Place == SameCPU {
		job.B = job.A
	}
	c := Conditions{
		Capacity: "-", Work: "none", Payload: row.Payload,
		Placement: row.Place.text(r.a, r.b), Concurrency: row.Concurrency,
	}
	if row.Capacity > 0 {
		unit := row.CapacityOf
		if unit == "" {
			unit = "items"
		}
		c.Capacity = fmt.Sprintf("%d %s", job.Capacity, unit)
	}
	if row.Pace > 0 {
		p, err := r.calibrate(ctx, row.Pace)
		if err != nil {
			return job, c, fmt.Errorf("calibrate the work: %w", err)
		}
		job.Steps, c.Work = p.steps, p.String()
	}
	return job, c, nil
}

func (r *runner) reference(ctx context.Context, row Row, j Job) (Outcome, error) {
	if row.Reference.Limits != nil {
		return Outcome{Values: row.Reference.Limits}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if row.Reference.Go != nil || row.Reference.GoMeter != nil {
		return startSide(ctx, sideArgs{Row: row.Name, Reference: true, Job: j})
	}
	return r.refs.run(ctx, row.Reference, j)
}

func (r *runner) ours(ctx context.Context, row Row, j Job) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return startSide(ctx, sideArgs{Row: row.Name, Job: j})
}

// calibrate finds the number of steps that take about so many nanoseconds, by the C program where there is one: it
// stays the same for both sides and all runs. Then it measures what that number costs.
func (r *runner) calibrate(ctx context.Context, ns float64) (pace, error) {
	if p, ok := r.work[ns]; ok {
		return p, nil
	}
	const probe = 64 // steps that make the loop around them vanish
	row, _ := find(workRow)
	item := func(steps, n uint64) (inC, inGo float64, err error) {
		j := Job{N: n, Warm: n / 10, Steps: steps, A: r.a.ID, B: r.b.ID}
		c, err := r.reference(ctx, row, j)
		if _, ok := errors.AsType[*absentError](err); err != nil && !ok {
			return 0, 0, err
		}
		ours, err := r.ours(ctx, row, j)
		return c.Values[""], ours.Values[""], err
	}
	inC, inGo, err := item(probe, 200_000)
	if err != nil {
		return pace{}, err
	}
	one := inC / probe
	if inC == 0 {
		one = inGo / probe
	}
	p := pace{steps: max(uint64(math.Round(ns/one)), 1)}
	if p.inC, p.inGo, err = item(p.steps, max(5_000_000/r.divide, 1000)); err != nil {
		return pace{}, err
	}
	r.work[ns] = p
	return p, nil
}
