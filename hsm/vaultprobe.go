package hsm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/hsm/vault"
)

// probeName begins the names of the probe's keys; the sample policies allow
// such keys, and no others, to be deleted.
const probeName = "antin-probe-"

// probe makes, uses and deletes a key of each kind. What the server's policies
// do not allow is reported as not working, with the reason.
func (t *vaultToken) probe(ctx context.Context) (Probe, error) {
	out := Probe{Means: "stored keys", At: time.Now().UTC()}
	tag := make([]byte, 8)
	_, err := rand.Read(tag)
	if err != nil {
		return Probe{}, fmt.Errorf("name of the probe's keys: %w", err)
	}
	types := keyTypes()
	for _, algorithm := range Algorithms() {
		name := probeName + hex.EncodeToString(tag) + "-" + types[algorithm]
		probed, err := t.probeOne(ctx, name, algorithm, types[algorithm])
		if err != nil {
			return Probe{}, err
		}
		out.Algorithms = append(out.Algorithms, probed)
	}
	return out, nil
}

// probeOne tries one algorithm; an error means that the server is away or that
// a key was left behind.
func (t *vaultToken) probeOne(ctx context.Context, name, algorithm, keyType string) (ProbedAlgorithm, error) {
	out := ProbedAlgorithm{Algorithm: algorithm}
	began := time.Now()
	err := t.engine.Create(ctx, name, keyType)
	if vault.Temporary(err) {
		return out, fmt.Errorf("probe: %w", translate(err))
	}
	if err != nil {
		out.Error = err.Error()
		return out, nil
	}
	out.Milliseconds = time.Since(began).Milliseconds()
	key, err := t.engine.Key(ctx, name)
	if err == nil {
		t.probeWays(ctx, key, &out)
	}
	deleted := t.engine.Delete(context.WithoutCancel(ctx), name)
	if deleted != nil {
		deleted = fmt.Errorf("probe: key %q was left behind, delete it by hand: %w", name, translate(deleted))
	}
	if err != nil {
		err = translate(err)
	}
	return out, errors.Join(err, deleted)
}

// probeWays signs in every way that fits the key.
func (t *vaultToken) probeWays(ctx context.Context, key vault.Key, out *ProbedAlgorithm) {
	for _, plan := range probePlans(key.Versions[key.Latest]) {
		one := ProbedSignature{Scheme: string(plan.scheme), Hash: plan.hashName()}
		req, err := transitRequest(key.Name, plan)
		var sig []byte
		if err == nil {
			sig, _, err = t.engine.Sign(ctx, req)
		}
		switch {
		case err != nil:
			one.Error = err.Error()
		case !plan.verify(sig):
			one.Error = "the signature does not verify"
		default:
			one.Works, out.Works = true, true
		}
		out.Signatures = append(out.Signatures, one)
	}
}
