package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/batch"
)

// signBatch signs the files of a folder or list. A batch that was cut off goes
// on where it stopped, and says what became of each file even then.
func (e *env) signBatch(ctx context.Context, f signFlags, sign func(ctx context.Context, in, out string) (*signer.Act, error)) error {
	endings, ending := batchNames(f)
	files, err := batch.Files(f.batch, endings...)
	if err != nil {
		return err
	}
	err = os.MkdirAll(f.out, 0o755)
	if err != nil {
		return err
	}
	bar := progress(int64(len(files)), "signing")
	job := batch.Job{
		Folder: f.out, Ending: ending, Workers: f.workers,
		Sign: sign,
		Done: func(batch.Result) { _ = bar.Add(1) },
	}
	results, stopped := job.Run(ctx, files)
	if f.result != "" {
		var b bytes.Buffer
		err = batch.WriteCSV(&b, results)
		if err == nil {
			err = atomicfile.WriteBytes(f.result, 0o644, b.Bytes())
		}
		if err != nil {
			return err
		}
	}
	if stopped != nil {
		return stopped
	}
	if e.json {
		err = printJSON(results)
		if err != nil {
			return err
		}
	} else {
		for _, r := range results {
			if r.Error != "" {
				fmt.Printf("%s: %s\n", r.File, r.Error)
			}
		}
		fmt.Printf("%d signed, %d failed, %d were there\n", batch.Count(results, batch.Signed), batch.Count(results, batch.Failed), batch.Count(results, batch.There))
	}
	if batch.Count(results, batch.Failed) > 0 {
		return answer(exitNo)
	}
	return nil
}

// batchNames tells which files of a folder a format signs, and what is put
// behind the name of a result.
func batchNames(f signFlags) (endings []string, ending string) {
	switch signer.Format(f.format) {
	case signer.FormatCAdES:
		if signer.Packaging(f.packaging) == signer.PackagingAttached {
			return nil, ".p7m"
		}
		return nil, ".p7s"
	case signer.FormatXAdES:
		if f.packaging == "" || signer.Packaging(f.packaging) == signer.PackagingEnveloped {
			return []string{".xml"}, ""
		}
		return nil, ".xml"
	case signer.FormatASiC:
		return nil, ".asice"
	}
	return []string{".pdf"}, ""
}
