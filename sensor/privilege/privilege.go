// Package privilege gives up what the sensor needs only while it opens its
// captures: the identity of root, capabilities, and every system call that
// reading packets and writing records can do without (capabilities(7),
// seccomp(2)). What a broken packet might take over is then a process that
// cannot open sockets to sniff, run programs, load modules or trace others.
//
// Not here: namespaces and a read-only file system, which systemd sets up
// (deploy/systemd/antin-sensor.service).
package privilege

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// Options say what is given up.
type Options struct {
	// User is who the process becomes; empty stays who it is. Only root may
	// become another.
	User string
	// NoSeccomp leaves the filter of system calls out.
	NoSeccomp bool
}

// Held is what the process still is and may.
type Held struct {
	UID, GID int
	// Filtered is true when system calls are filtered.
	Filtered bool
}

// Errors of Drop and Account.
var (
	// ErrUser means that there is no such user.
	ErrUser = errors.New("privilege: no such user")
	// ErrRoot means that the user is root, which gives nothing up.
	ErrRoot = errors.New("privilege: the user to become is root")
)

// Account is a user to become.
type Account struct {
	UID, GID int
	Groups   []int
}

// Lookup finds a user by name, with the groups that it is in.
func Lookup(name string) (*Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrUser, name)
	}
	a := &Account{}
	for _, n := range []struct {
		text string
		into *int
	}{{u.Uid, &a.UID}, {u.Gid, &a.GID}} {
		*n.into, err = strconv.Atoi(n.text)
		if err != nil {
			return nil, fmt.Errorf("look %s up: %w", name, err)
		}
	}
	if a.UID == 0 {
		return nil, ErrRoot
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of %s: %w", name, err)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("groups of %s: %w", name, err)
		}
		a.Groups = append(a.Groups, n)
	}
	return a, nil
}
