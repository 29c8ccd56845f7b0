// Command build bundles the console's assets: src/ and the npm packages of the
// lock file into dist/, which the binary embeds. Run by `make assets`.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: build DIR (the folder with src/ and node_modules/)")
	}
	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		return err
	}
	entries, err := filepath.Glob(filepath.Join(dir, "src", "*.entry.*"))
	if err != nil {
		return err
	}
	points := []api.EntryPoint{{
		InputPath:  filepath.Join(dir, "node_modules", "pdfjs-dist", "build", "pdf.worker.mjs"),
		OutputPath: "pdf.worker",
	}}
	for _, e := range entries {
		name, _, _ := strings.Cut(filepath.Base(e), ".")
		points = append(points, api.EntryPoint{InputPath: e, OutputPath: name})
	}
	result := api.Build(api.BuildOptions{
		EntryPointsAdvanced: points,
		Outdir:              filepath.Join(dir, "dist"),
		AbsWorkingDir:       dir,
		Bundle:              true,
		Write:               true,
		MinifyWhitespace:    true,
		MinifySyntax:        true,
		MinifyIdentifiers:   true,
		Format:              api.FormatESModule,
		Target:              api.ES2022,
		LegalComments:       api.LegalCommentsLinked,
		Loader:              map[string]api.Loader{".woff2": api.LoaderFile, ".woff": api.LoaderEmpty, ".svg": api.LoaderFile},
		AssetNames:          "fonts/[name]",
		PublicPath:          "/assets",
		LogLevel:            api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return fmt.Errorf("%d errors, the first: %s", len(result.Errors), result.Errors[0].Text)
	}
	return nil
}
