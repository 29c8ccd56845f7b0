package ocsp

import (
	"context"
	"crypto"
	"encoding/asn1"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// aheadWorkers is how many answers are signed in advance at once: half of
	// what a single request's answer may take.
	aheadWorkers = 4
	// aheadBatch is how many records are looked at between two pauses.
	aheadBatch = 256
	// roundPause is the pause between two rounds over all certificates.
	roundPause = 5 * time.Second
	// failPause is the pause after a signature that failed.
	failPause = 2 * time.Second
	// keepEvery is how often the answers are written to the file.
	keepEvery = 10 * time.Minute
)

// Run loads all certificates that have not expired, makes their answers in
// advance and makes them anew at half of their validity, until ctx ends. Each
// process does so for itself.
func (r *Responder) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := r.load(ctx)
		if err == nil {
			break
		}
		r.cfg.Logger.ErrorContext(ctx, "certificates not loaded for OCSP", "error", err)
		pause(ctx, failPause)
	}
	r.readFile(ctx)
	kept := time.Now()
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	var round time.Time
	for {
		err := r.sync(ctx, r.cfg.Poll)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.ErrorContext(ctx, "OCSP does not learn of changes", "error", err)
		}
		if time.Since(round) >= roundPause {
			r.round(ctx)
			round = time.Now()
		}
		if time.Since(kept) >= keepEvery {
			r.writeFile(ctx)
			kept = time.Now()
		}
		select {
		case <-ctx.Done():
			r.writeFile(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
		case <-r.changed:
			round = time.Time{}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// load brings all certificates that have not expired into memory. The revisions
// are read before, so that no change is missed.
func (r *Responder) load(ctx context.Context) error {
	err := r.sync(ctx, 0)
	if err != nil {
		return err
	}
	now := r.cfg.Clock.Now()
	for _, k := range r.keys() {
		err = r.cfg.Source.Each(ctx, k.Name, now, func(list []Certificate) error {
			k.memory.add(list)
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("load certificates of %s: %w", k.Name, err)
		}
	}
	return nil
}

// round makes what is due, once over all certificates.
func (r *Responder) round(ctx context.Context) {
	for _, k := range r.keys() {
		now := r.cfg.Clock.Now().UTC().Truncate(time.Second)
		before := now.Add(-r.cfg.Validity / 2)
		for from := uint32(0); ctx.Err() == nil; {
			list, which, next := k.memory.due(from, before, now, aheadBatch)
			if !r.signBatch(ctx, k, list, which, now) {
				pause(ctx, failPause)
				return
			}
			if next == 0 {
				break
			}
			from = next
			// Changes by other processes show within a poll also while a million
			// answers are being made.
			err := r.sync(ctx, r.cfg.Poll)
			if err != nil {
				return
			}
		}
	}
}

// signBatch signs the answers of some certificates; false after a failure.
func (r *Responder) signBatch(ctx context.Context, k *issuerKey, list []found, which [][kinds]bool, now time.Time) bool {
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := true
	for range min(aheadWorkers, len(list)) {
		wg.Go(func() {
			for n := range work {
				err := r.signDue(k, list[n], which[n], now)
				if err == nil {
					continue
				}
				mu.Lock()
				if good {
					r.cfg.Logger.WarnContext(ctx, "OCSP answers are not made in advance", "issuer", k.Name, "error", err)
				}
				good = false
				mu.Unlock()
			}
		})
	}
	for n := range list {
		mu.Lock()
		stop := !good || ctx.Err() != nil
		mu.Unlock()
		if stop {
			break
		}
		work <- n
	}
	close(work)
	wg.Wait()
	return good
}

func (r *Responder) signDue(k *issuerKey, f found, which [kinds]bool, now time.Time) error {
	if f.state == uint8(Unknown) {
		return nil
	}
	for kind, h := range [kinds]crypto.Hash{crypto.SHA1, crypto.SHA256} {
		if !which[kind] {
			continue
		}
		id, err := k.certID(h, f.serial)
		if err != nil {
			return err
		}
		_, _, signature, err := r.signAhead(k, id, f, now)
		if err != nil {
			return err
		}
		k.memory.put(f, kind, now, signature, true)
		r.counts.ahead.Add(1)
	}
	return nil
}

// certID writes the CertID as clients do.
func (k *issuerKey) certID(h crypto.Hash, serial Serial) (CertID, error) {
	oid := asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	if h == crypto.SHA256 {
		oid = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	}
	number := serial.Int()
	b := cryptobyte.NewBuilder(make([]byte, 0, 128))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(k.name[h])
		b.AddASN1OctetString(k.key[h])
		b.AddASN1BigInt(number)
	})
	raw, err := b.Bytes()
	if err != nil {
		return CertID{}, fmt.Errorf("write CertID: %w", err)
	}
	return CertID{Hash: h, NameHash: k.name[h], KeyHash: k.key[h], Serial: number, raw: raw, plain: true}, nil
}
