package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/internal/auth"
)

// Endings of a custodian's files in the folder of --keys.
const (
	fileKey      = ".key"      // the key file
	fileShare    = ".share"    // a share
	filePass     = ".pass"     // its passphrase, for scripts (mode 0600)
	filePassword = ".password" // the account's password, for scripts (mode 0600)
	fileCode     = ".code"     // the account's code, for scripts (mode 0600)
)

// maxSecret bounds a file with a secret.
const maxSecret = 512

func (e *env) hsmCustodian() *cobra.Command {
	cmd := &cobra.Command{Use: "custodian", Short: "Key files of the custodians of ceremonies and backups"}
	cmd.AddCommand(e.custodianCreate(), e.custodianShow())
	return cmd
}

func (e *env) custodianCreate() *cobra.Command {
	var dir, person, title, account string
	cmd := &cobra.Command{
		Use: "create NAME --keys DIR", Short: "Make a custodian's key file, locked with their passphrase", Args: cobra.ExactArgs(1),
		Long: "Makes DIR/NAME.key, which only the custodian's passphrase opens, and prints the custodian's line for the files of ceremonies.\n" +
			"The passphrase is asked on the terminal, or read from DIR/NAME.pass (mode 0600) in scripts.",
		RunE: func(_ *cobra.Command, args []string) error {
			c := &custodians{dir: dir}
			err := custodian.CheckName(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", errUse, err)
			}
			path := filepath.Join(dir, args[0]+fileKey)
			_, err = os.Stat(path)
			if err == nil {
				return fmt.Errorf("%s is there already; a key file is not made twice", path)
			}
			pass, err := c.newSecret(args[0])
			if err != nil {
				return err
			}
			file, public, err := custodian.Create(args[0], pass, 0)
			if err != nil {
				return err
			}
			err = writeSecret(path, file)
			if err != nil {
				return err
			}
			return e.show(public, "- {name: %s, person: %q, title: %q, account: %q, key: %q, recipient: %q}\n", public.Name, person, title, account, public.Key, public.Recipient)
		},
	}
	cmd.Flags().StringVar(&dir, "keys", ".", "folder of the key files")
	cmd.Flags().StringVar(&person, "person", "", "full name, for the printed line")
	cmd.Flags().StringVar(&title, "title", "", "position, for the printed line")
	cmd.Flags().StringVar(&account, "account", "", "account that must authenticate too, for the printed line")
	return cmd
}

func (e *env) custodianShow() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "show NAME --keys DIR", Short: "Open a custodian's key file and print what others may know", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &custodians{dir: dir}
			opened, err := c.Open(cmd.Context(), ceremony.Member{Name: args[0]})
			if err != nil {
				return err
			}
			public, err := opened.Public()
			if err != nil {
				return err
			}
			return e.show(public, "custodian %s: key %s, recipient %s\n", public.Name, public.Key, public.Recipient)
		},
	}
	cmd.Flags().StringVar(&dir, "keys", ".", "folder of the key files")
	return cmd
}

// custodians brings the custodians before a ceremony: their key files lie in a
// folder; their secrets come from the terminal, or from files named after each
// of them in the same folder.
type custodians struct {
	dir      string
	present  []string
	accounts *auth.Accounts // nil on a machine without the system
}

var _ ceremony.Presence = (*custodians)(nil)

// Present names who is there: those of --present, or whom the terminal says.
func (c *custodians) Present(_ context.Context, members []ceremony.Member) ([]string, error) {
	if len(c.present) > 0 {
		return c.present, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, fmt.Errorf("%w: no terminal to ask who is present; name them with --present", errUse)
	}
	var names []string
	for _, m := range members {
		yes, err := ask(fmt.Sprintf("Is %s (%s) present? [y/N] ", m.Name, m.Person))
		if err != nil {
			return nil, err
		}
		if yes {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// Open opens a custodian's key file.
func (c *custodians) Open(_ context.Context, m ceremony.Member) (*custodian.Custodian, error) {
	err := custodian.CheckName(m.Name)
	if err != nil {
		return nil, err
	}
	file, err := readBounded(filepath.Join(c.dir, m.Name+fileKey), maxKeyFile)
	if err != nil {
		return nil, err
	}
	pass, err := c.secret(m.Name, filePass, "Passphrase of custodian "+m.Name)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	return custodian.Open(file, pass)
}

// Accounts says whether accounts can be checked here.
func (c *custodians) Accounts() bool { return c.accounts != nil }

// Account checks password and code of the custodian's account.
func (c *custodians) Account(ctx context.Context, m ceremony.Member) error {
	password, err := c.secret(m.Name, filePassword, "Password of account "+m.Account)
	if err != nil {
		return err
	}
	_, err = c.accounts.CheckPassword(ctx, m.Account, string(password))
	if err != nil {
		return err
	}
	code, err := c.secret(m.Name, fileCode, "Code of account "+m.Account)
	if err != nil {
		return err
	}
	return c.accounts.CheckCode(ctx, m.Account, string(code))
}

// secret reads a custodian's secret from a file of mode 0600, or asks for it.
func (c *custodians) secret(name, ending, question string) ([]byte, error) {
	path := filepath.Join(c.dir, name+ending)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return askSecret(question)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s must be a regular file of mode 0600, it is %s", path, info.Mode())
	}
	text, err := readBounded(path, maxSecret)
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

// newSecret asks for a new passphrase twice.
func (c *custodians) newSecret(name string) ([]byte, error) {
	first, err := c.secret(name, filePass, "New passphrase of custodian "+name)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(c.dir, name+filePass))
	if err == nil {
		return first, nil
	}
	again, err := askSecret("The same passphrase again")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, fmt.Errorf("%w: the two passphrases differ", errUse)
	}
	return first, nil
}

// askSecret asks on the terminal without showing what is typed.
func askSecret(question string) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil, fmt.Errorf("%w: no terminal to ask: %s", errUse, question)
	}
	fmt.Fprint(os.Stderr, question+": ")
	text, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	return text, nil
}

// ask asks a question on the terminal; anything but y is a no.
func ask(question string) (bool, error) {
	fmt.Fprint(os.Stderr, question)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes" || answer == "có", nil
}

// maxKeyFile bounds key files and shares.
const maxKeyFile = 64 << 10

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return content, nil
}

// writeSecret writes a file of mode 0600 that must not be there.
func writeSecret(path string, content []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
