package ceremony

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// Options say how to run.
type Options struct {
	// Resume goes on with a ceremony that was begun before.
	Resume bool
	// Folder replaces the file's, for rehearsals.
	Folder string
}

// run is a ceremony under way.
type run struct {
	room    Room
	s       *Script
	dir     string
	journal *journal
	actor   auth.Subject
	present []attendant
	result  *Result
	// signer is the key of the ceremony, nil where there is none; issuer and
	// list are the authority that takes part, with its list.
	signer crypto.Signer
	issuer *x509.Certificate
	list   []byte
}

// attendant is a custodian who authenticated.
type attendant struct {
	Attendance
	custodian *custodian.Custodian
}

// step is one step of a ceremony. On a resumed ceremony each is done again:
// what was made before is found in the journal and taken.
type step struct {
	name  string
	title Text
	do    func(r *run, ctx context.Context) error
}

// Run holds the ceremony of a script in a room.
func Run(ctx context.Context, room Room, s *Script, o Options) (*Result, error) {
	err := room.check()
	if err != nil {
		return nil, err
	}
	r := &run{room: room, s: s, dir: s.Folder, actor: auth.SubjectFrom(ctx)}
	if o.Folder != "" {
		r.dir = o.Folder
	}
	err = room.Authorizer.Authorize(ctx, r.actor, "hsm.ceremony.run", auth.Resource{Kind: "ceremony", ID: s.ID})
	if err != nil {
		return nil, err
	}
	r.result = &Result{ID: s.ID, Kind: s.Kind, Rehearsal: room.Rehearsal, Script: s.SHA256(), Folder: r.dir, Quorum: s.Custodians.Quorum}
	err = r.before(ctx, o)
	if err != nil {
		return nil, err
	}
	err = r.gather(ctx)
	if err != nil {
		return nil, r.refused(ctx, err)
	}
	r.journal, err = openJournal(r.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.journal.close() }()
	err = r.mayResume(r.journal, o)
	if err == nil {
		err = r.recordBegin(ctx)
	}
	if err != nil {
		return nil, err
	}
	err = r.steps(ctx)
	if err != nil {
		return nil, r.stopped(ctx, err)
	}
	err = r.end(ctx)
	return r.result, err
}

// before looks at what would refuse the ceremony anyway, so that nobody
// authenticates in vain.
func (r *run) before(ctx context.Context, o Options) error {
	text, err := os.ReadFile(filepath.Join(r.dir, JournalFile))
	if errors.Is(err, fs.ErrNotExist) {
		if o.Resume {
			return fmt.Errorf("%w: no journal in %s, so there is nothing to resume", ErrCheck, r.dir)
		}
		return r.fresh(ctx)
	}
	if err != nil {
		return fmt.Errorf("journal of the ceremony: %w", err)
	}
	lines, err := parseJournal(text)
	if err != nil {
		return err
	}
	return r.mayResume(&journal{lines: lines}, o)
}

// fresh refuses what would be overwritten.
func (r *run) fresh(ctx context.Context) error {
	entries, err := os.ReadDir(r.dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: folder %s is not empty; name a new one", ErrOverwrite, r.dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("folder of the ceremony: %w", err)
	}
	if r.s.Key.Label == "" {
		return nil
	}
	_, err = r.room.Token.Signer(ctx, r.s.Key.Label)
	if err == nil {
		return fmt.Errorf("%w: the token holds a key %q already", ErrOverwrite, r.s.Key.Label)
	}
	if !errors.Is(err, hsm.ErrNotFound) {
		return fmt.Errorf("look for key %q: %w", r.s.Key.Label, err)
	}
	return nil
}

// mayResume says whether a journal is of this ceremony and unfinished.
func (r *run) mayResume(j *journal, o Options) error {
	begun, ok := j.find(eventBegin, r.s.ID)
	if !ok && len(j.lines) == 0 {
		return nil // it crashed before its first line
	}
	if !ok {
		return fmt.Errorf("%w: the folder %s is of another ceremony", ErrOverwrite, r.dir)
	}
	_, ended := j.find(eventEnd, r.s.ID)
	if ended {
		return fmt.Errorf("%w: %s, begun at %s; its results are in %s", ErrDone, r.s.ID, begun.At.Format(time.RFC3339), r.dir)
	}
	if !o.Resume {
		last := j.lines[len(j.lines)-1]
		return fmt.Errorf("%w: %s at %s, last %s %s; resume it (--resume) with the same file and a quorum, or name a new folder and id",
			ErrUnfinished, r.s.ID, begun.At.Format(time.RFC3339), last.Event, last.Name)
	}
	if begun.SHA256 != r.s.SHA256() {
		return fmt.Errorf("%w: its SHA-256 was %s, now %s", ErrChanged, begun.SHA256, r.s.SHA256())
	}
	return nil
}

// refused records that nothing was made, and returns why.
func (r *run) refused(ctx context.Context, why error) error {
	_, err := r.append(context.WithoutCancel(ctx), "hsm.ceremony.refuse", r.s.SHA256(), map[string]string{"present": fmt.Sprint(len(r.present)), "quorum": fmt.Sprint(r.s.Custodians.Quorum)})
	return errors.Join(why, err)
}

// recordBegin records that the ceremony begins or goes on, and who is present.
func (r *run) recordBegin(ctx context.Context) error {
	event, kind := eventBegin, "hsm.ceremony.begin"
	begun, again := r.journal.find(eventBegin, r.s.ID)
	r.result.BegunAt = r.now()
	if again {
		event, kind, r.result.Resumed, r.result.BegunAt = eventResume, "hsm.ceremony.resume", true, begun.At
	}
	detail := map[string]string{"kind": string(r.s.Kind), "quorum": fmt.Sprint(r.s.Custodians.Quorum)}
	var names []string
	for _, a := range r.present {
		names = append(names, a.Name)
	}
	detail["custodians"] = strings.Join(names, " ")
	if r.room.Rehearsal {
		detail["rehearsal"] = "true"
	}
	index, err := r.append(ctx, kind, r.s.SHA256(), detail)
	if err != nil {
		return err
	}
	if r.room.Records != nil {
		err = r.room.Records.begin(ctx, Record{ID: r.s.ID, Kind: string(r.s.Kind), Title: r.s.Title.VI, TitleEN: r.s.Title.EN, State: StateBegun, Folder: r.dir,
			ScriptSHA256: r.s.SHA256(), Actor: r.actor.AccountID, Custodians: strings.Join(names, " "), Quorum: int64(r.s.Custodians.Quorum),
			BegunAt: r.result.BegunAt, BeginIndex: index}, again)
		if err != nil {
			return err
		}
	}
	err = r.journal.add(line{At: r.now(), Event: event, Name: r.s.ID, SHA256: r.s.SHA256(), Ledger: index, Data: detail})
	if err != nil {
		return err
	}
	for _, a := range r.present {
		key := strings.TrimPrefix(a.Key, "sha256:")
		index, err = r.append(ctx, "hsm.ceremony.present", key, map[string]string{"custodian": a.Name, "factors": strings.Join(a.Factors, ", ")})
		if err != nil {
			return err
		}
		err = r.journal.add(line{At: r.now(), Event: eventPresence, Name: a.Name, SHA256: key, Ledger: index})
		if err != nil {
			return err
		}
	}
	return nil
}

// steps does the steps of the kind, and the transcript last.
func (r *run) steps(ctx context.Context) error {
	list, err := r.plan()
	if err != nil {
		return err
	}
	list = append(list, step{"transcript", Text{"Lập và ký biên bản", "Write and sign the transcript"}, (*run).transcriptStep})
	for i, st := range list {
		r.room.Console.Say(fmt.Sprintf("Step %d of %d: %s / %s", i+1, len(list), st.title.EN, st.title.VI))
		err := r.room.Console.Confirm(ctx, st.title.EN)
		if err != nil {
			return fmt.Errorf("step %s: %w", st.name, err)
		}
		index, err := r.append(ctx, "hsm.ceremony.step", r.s.SHA256(), map[string]string{"step": st.name})
		if err != nil {
			return err
		}
		at := r.now()
		err = r.journal.add(line{At: at, Event: eventStep, Name: st.name, Ledger: index})
		if err != nil {
			return err
		}
		r.result.Steps = append(r.result.Steps, StepRecord{Name: st.name, Title: st.title, At: at, Ledger: index})
		err = st.do(r, ctx)
		if err != nil {
			return fmt.Errorf("step %s: %w", st.name, err)
		}
	}
	return nil
}

// stopped records how a ceremony came to a halt, and returns why.
func (r *run) stopped(ctx context.Context, why error) error {
	ctx = context.WithoutCancel(ctx)
	last := "begin"
	if n := len(r.result.Steps); n > 0 {
		last = r.result.Steps[n-1].Name
	}
	index, err := r.append(ctx, "hsm.ceremony.stop", r.s.SHA256(), map[string]string{"step": last})
	if err == nil {
		err = r.journal.add(line{At: r.now(), Event: eventStop, Name: last, Ledger: index, Data: map[string]string{"why": why.Error()}})
	}
	r.room.Console.Say("The ceremony stopped. What was made is in " + r.dir + "; go on with --resume.")
	return errors.Join(why, err)
}

// end closes the record of the ceremony.
func (r *run) end(ctx context.Context) error {
	transcript, ok := r.journal.find(eventOutput, r.result.Transcript)
	if !ok {
		return fmt.Errorf("%w: no transcript", ErrRecord)
	}
	index, err := r.append(ctx, "hsm.ceremony.end", transcript.SHA256, map[string]string{"kind": string(r.s.Kind), "signatures": fmt.Sprint(r.result.Signatures)})
	if err != nil {
		return err
	}
	r.result.EndedAt, r.result.EndLedger = r.now(), index
	if r.room.Records != nil {
		err = r.room.Records.end(ctx, r.s.ID, transcript.SHA256, r.result.EndedAt, index)
		if err != nil {
			return err
		}
	}
	return r.journal.add(line{At: r.result.EndedAt, Event: eventEnd, Name: r.s.ID, SHA256: transcript.SHA256, Ledger: index})
}

func (r *run) now() time.Time { return r.room.Clock.Now().UTC() }

// append records in the ledger, whose details are ASCII.
func (r *run) append(ctx context.Context, kind, digest string, detail map[string]string) (int64, error) {
	for name, value := range detail {
		quoted := strconv.QuoteToASCII(value)
		detail[name] = quoted[1 : len(quoted)-1]
	}
	receipt, err := r.room.Ledger.Append(ctx, ledger.Entry{
		Time: r.now(), Kind: kind, Actor: r.actor.AccountID, Agency: r.actor.AgencyID, Object: r.s.ID, Digest: digest, Detail: detail,
	})
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrRecord, kind, err)
	}
	return int64(receipt.Index), nil
}

// make gives a file of the ceremony: the one that was made before the ceremony
// was interrupted, or a new one. A new one is recorded before it is in place.
func (r *run) make(ctx context.Context, name string, build func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(r.dir, name)
	old, ok := r.journal.find(eventOutput, name)
	if ok {
		return r.taken(path, old)
	}
	content, err := build()
	if err != nil {
		return nil, err
	}
	part := path + ".part"
	err = os.Remove(part) // an interrupted attempt left it, unrecorded
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write %s: %w", part, err)
	}
	err = writeNew(part, content)
	if err != nil {
		return nil, err
	}
	digest := hexSum(content)
	index, err := r.append(ctx, "hsm.ceremony.output", digest, map[string]string{"file": name})
	if err != nil {
		return nil, err
	}
	err = r.journal.add(line{At: r.now(), Event: eventOutput, Name: name, SHA256: digest, Ledger: index})
	if err != nil {
		return nil, err
	}
	r.made(name, digest, index)
	return content, rename(part, path)
}

// taken reads a file that was recorded before the ceremony was interrupted.
func (r *run) taken(path string, old line) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// It was recorded and not yet put in place.
		err = rename(path+".part", path)
		if err == nil {
			content, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s was made and is gone: %w", ErrCheck, path, err)
	}
	if hexSum(content) != old.SHA256 {
		return nil, fmt.Errorf("%w: %s was changed since it was made", ErrCheck, path)
	}
	r.made(old.Name, old.SHA256, old.Ledger)
	return content, nil
}

func (r *run) made(name, digest string, index int64) {
	r.result.Outputs = append(r.result.Outputs, Output{File: name, SHA256: digest, Ledger: index})
	r.room.Console.Say(fmt.Sprintf("  %s: SHA-256 %s (ledger %d)", name, digest, index))
}

// fact adds a line to the transcript.
func (r *run) fact(vi, en, value string) {
	r.result.Facts = append(r.result.Facts, Fact{VI: vi, EN: en, Value: value})
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
