package hsm

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"
)

// Rates compares what a token can do with what comes through the worker.
type Rates struct {
	Algorithm string `json:"algorithm"`
	Callers   int    `json:"callers"`
	// Bare is the token's own rate: C_SignInit and C_Sign in a bare loop of C in
	// a process of its own, one session for each caller, nothing verified.
	Bare float64 `json:"bare_per_second"`
	// Worker is the rate through the key worker, at as many callers.
	Worker float64 `json:"worker_per_second"`
	Ratio  float64 `json:"ratio"`
	// BareCPU and WorkerCPU are processor time for a signature, in
	// microseconds; the second is that of the worker and of the caller together.
	// Their ratio does not depend on what else the machine does meanwhile.
	BareCPU   float64 `json:"bare_cpu_us"`
	WorkerCPU float64 `json:"worker_cpu_us"`
	CPURatio  float64 `json:"cpu_ratio"`
	// Signed counts the signatures through the worker; each was verified after
	// the time was taken. Wrong and Lost count those that do not verify and
	// those that gave an error.
	Signed int64 `json:"signed"`
	Wrong  int64 `json:"wrong"`
	Lost   int64 `json:"lost"`
	// LongestGap is the longest time without a signature, in nanoseconds.
	LongestGap time.Duration `json:"longest_gap_ns"`
}

// RateOptions say how CompareRates measures.
type RateOptions struct {
	// Worker starts the process of the bare loop; its Config names the token
	// (the first).
	Worker    Options
	Algorithm string
	// Callers ask at the same time; 8 when zero.
	Callers int
	// Rounds of the bare loop and of the worker follow each other, each of Time,
	// so that both meet the same load of the machine; 3 and 1 s when zero.
	Rounds int
	Time   time.Duration
	// Key is the label of a key of the token to measure instead of a throw-away
	// one of Algorithm.
	Key string
	// Also, when it is there, is called once in each round with the key behind
	// the worker, so that what is built on the key meets the same load.
	Also func(ctx context.Context, s crypto.Signer) error
	// Apart gives the token a processor of its own, as a hardware token has it:
	// the bare loop and the key worker run on the first one, the callers on the
	// others. It needs two.
	Apart bool
}

// CompareRates makes a throw-away key unless one is named, measures and
// destroys it.
func CompareRates(ctx context.Context, c *Client, o RateOptions) (r Rates, err error) {
	o.Callers, o.Rounds, o.Time = or(o.Callers, 8), or(o.Rounds, 3), or(o.Time, time.Second)
	tokens, err := o.Worker.Config.tokens()
	if err != nil {
		return Rates{}, err
	}
	label := o.Key
	if label == "" {
		label = "bench-" + o.Algorithm + "-" + rand.Text()[:8]
		_, err = c.GenerateKey(ctx, NewKey{Label: label, Algorithm: o.Algorithm, Token: tokens[0].name})
		if err != nil {
			return Rates{}, err
		}
		defer func() { err = errors.Join(err, c.dropKey(context.WithoutCancel(ctx), tokens[0].name, label)) }()
	}
	s, err := c.Signer(ctx, label)
	if err != nil {
		return Rates{}, err
	}
	bare, err := startBare(ctx, o, label)
	if err != nil {
		return Rates{}, err
	}
	defer func() { err = errors.Join(err, bare.child.stop()) }()
	if o.Apart {
		together, err := setApart(ctx, c, bare.child.cmd.Process.Pid)
		if err != nil {
			return Rates{}, err
		}
		defer func() { err = errors.Join(err, together()) }()
	}
	r = Rates{Algorithm: AlgorithmOf(s.Public()), Callers: o.Callers}
	for range o.Rounds {
		alone, err := bare.round()
		if err != nil {
			return r, err
		}
		ours, err := r.round(ctx, c, s, o)
		if err != nil {
			return r, err
		}
		if o.Also != nil {
			err = o.Also(ctx, s)
			if err != nil {
				return r, err
			}
		}
		r.Bare += alone.PerSecond / float64(o.Rounds)
		r.BareCPU += alone.CPU / float64(o.Rounds)
		r.Worker += ours.PerSecond / float64(o.Rounds)
		r.WorkerCPU += ours.CPU / float64(o.Rounds)
	}
	r.Ratio, r.CPURatio = r.Worker/r.Bare, r.BareCPU/r.WorkerCPU
	return r, nil
}

// or is v, or otherwise when it is zero.
func or[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// dropKey destroys a key by label.
func (c *Client) dropKey(ctx context.Context, token, label string) error {
	keys, err := c.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Label == label {
			return c.DeleteKey(ctx, token, label, k.ID)
		}
	}
	return nil
}

// roundRate is what one round gave: signatures a second, and microseconds of
// processor time for each.
type roundRate struct {
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"cpu_us"`
}

func newRoundRate(count int64, took, cpu time.Duration) roundRate {
	if count == 0 {
		return roundRate{}
	}
	return roundRate{PerSecond: float64(count) / took.Seconds(), CPU: float64(cpu.Microseconds()) / float64(count)}
}

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	if err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// clockTick is the unit of the times in /proc: 100 a second on every Linux
// that Go runs on.
const clockTick = 10 * time.Millisecond

// ProcessTime is the processor time of a process (proc_pid_stat(5),
// fields 14 and 15).
func ProcessTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of the key worker: %w", err)
	}
	_, rest, ok := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("%w: processor time of the key worker", ErrUnsupported)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("processor time of the key worker: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("processor time of the key worker: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// made is a signature to be verified later.
type made struct{ digest, sig []byte }

// round signs through the worker for a while, then verifies.
func (r *Rates) round(ctx context.Context, c *Client, s crypto.Signer, o RateOptions) (roundRate, error) {
	health, err := c.Health(ctx)
	if err != nil {
		return roundRate{}, err
	}
	worker, err := ProcessTime(health.PID)
	if err != nil {
		return roundRate{}, err
	}
	own := ownTime()
	all := make([][]made, o.Callers)
	var lost atomic.Int64
	var last atomic.Int64
	var gap atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			for n := 0; time.Since(began) < o.Time && ctx.Err() == nil; n++ {
				digest, opts := message(s.Public(), i, n)
				sig, err := s.Sign(rand.Reader, digest, opts)
				if err != nil {
					lost.Add(1)
					continue
				}
				now := int64(time.Since(began))
				if d := now - last.Swap(now); d > gap.Load() {
					gap.Store(d)
				}
				all[i] = append(all[i], made{digest, sig})
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	own = ownTime() - own
	after, err := ProcessTime(health.PID)
	if err != nil {
		return roundRate{}, err
	}
	count := int64(0)
	for _, list := range all {
		count += int64(len(list))
		for _, m := range list {
			plan, err := planFor(s.Public(), m.digest)
			if err != nil {
				return roundRate{}, err
			}
			if !plan.verify(m.sig) {
				r.Wrong++
			}
		}
	}
	r.Signed += count
	r.Lost += lost.Load()
	r.LongestGap = max(r.LongestGap, time.Duration(gap.Load()))
	return newRoundRate(count, took, own+after-worker), ctx.Err()
}

// message is what the caller i signs at its nth signature.
func message(pub crypto.PublicKey, i, n int) ([]byte, crypto.SignerOpts) {
	digest := sha256.Sum256(fmt.Append(nil, "antin bench ", i, n))
	if AlgorithmOf(pub) == algorithmEd25519 {
		return digest[:], crypto.Hash(0)
	}
	return digest[:], crypto.SHA256
}

// planFor is the plan of a bench signature.
func planFor(pub crypto.PublicKey, digest []byte) (signPlan, error) {
	plan, err := provingPlan(pub)
	plan.digest = digest
	return plan, err
}

// bareStart asks a child for bare loops instead of serving.
type bareStart struct {
	Label   string        `json:"label"`
	Callers int           `json:"callers"`
	Time    time.Duration `json:"time"`
}

// bareLoop is a child that runs a bare loop for each line on its input.
type bareLoop struct {
	child *child
}

// startBare starts the child.
func startBare(ctx context.Context, o RateOptions, label string) (*bareLoop, error) {
	c, err := spawn(ctx, o.Worker.Command, o.Worker.Env, o.Worker.Logger, workerStart{
		Config: o.Worker.Config, Bare: &bareStart{Label: label, Callers: o.Callers, Time: o.Time}})
	if err != nil {
		return nil, err
	}
	err = c.ready(ctx)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return &bareLoop{child: c}, nil
}

// round runs the loop once.
func (b *bareLoop) round() (roundRate, error) {
	_, err := b.child.input.Write([]byte("\n"))
	if err != nil {
		return roundRate{}, fmt.Errorf("bare loop: %w", err)
	}
	line, err := b.child.lines.ReadSlice('\n')
	if err != nil {
		return roundRate{}, fmt.Errorf("bare loop: %w", err)
	}
	var rate roundRate
	err = json.Unmarshal(line, &rate)
	if err != nil || rate.PerSecond <= 0 {
		return roundRate{}, fmt.Errorf("%w: the bare loop signed nothing", ErrWorkerFailed)
	}
	return rate, nil
}

// serveBare is the child: it opens the token by itself and answers each line
// of in with a rate.
func serveBare(cfg WorkerConfig, start bareStart, in *bufio.Reader, out *json.Encoder, log *slog.Logger) error {
	tokens, err := cfg.tokens()
	if err != nil {
		return err
	}
	err = cfg.setEnvironment()
	if err != nil {
		return err
	}
	t, err := openToken(tokens[0], log)
	if err != nil {
		return err
	}
	key := t.lookup(start.Label)
	if key == nil {
		return errors.Join(fmt.Errorf("%w: %q", ErrNotFound, start.Label), t.close())
	}
	err = out.Encode(workerReport{Ready: true})
	for err == nil {
		_, err = in.ReadSlice('\n')
		if err != nil {
			break // the parent is done
		}
		var rate roundRate
		rate, err = t.bareRate(key, start)
		if err == nil {
			err = out.Encode(rate)
		}
	}
	return t.close()
}

// bareRate signs with a session for each caller for a while.
func (t *token) bareRate(key *tokenKey, start bareStart) (roundRate, error) {
	plan, err := provingPlan(key.pub)
	if err != nil {
		return roundRate{}, err
	}
	mech, data := plan.mechanism()
	var sessions []pkcs11.SessionHandle
	defer func() {
		for _, s := range sessions {
			_ = t.mod.CloseSession(s)
		}
	}()
	for range start.Callers {
		s, err := t.mod.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return roundRate{}, fmt.Errorf("open session: %w", err)
		}
		sessions = append(sessions, s)
	}
	const chunk = 8 // signatures between two looks at the clock
	var done atomic.Int64
	errs := make([]error, start.Callers)
	own, began := ownTime(), time.Now()
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() {
			for time.Since(began) < start.Time && errs[i] == nil {
				errs[i] = t.shim.loop(s, key.handle, mech.mech, data, chunk)
				done.Add(chunk)
			}
		})
	}
	wg.Wait()
	return newRoundRate(done.Load(), time.Since(began), ownTime()-own), errors.Join(errs...)
}
