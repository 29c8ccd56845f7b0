package ledger

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAFolderThatBecameReadOnlyRefusesEntriesAndTakesThemAgainLater(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	l := openTest(t, dir, key)
	_, err := l.Append(t.Context(), testEntry("before"))
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if err == nil {
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err != nil {
		t.Skipf("no right to mount (root is needed): %v", err)
	}
	_, err = l.Append(t.Context(), testEntry("meanwhile"))
	if !errors.Is(err, unix.EROFS) {
		t.Errorf("an entry in a read-only folder: %v", err)
	}
	err = unix.Unmount(dir, unix.MNT_DETACH)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), testEntry("after"))
	if err != nil {
		t.Errorf("an entry after that: %v", err)
	}
}

func TestALedgerThatAnotherProcessHoldsIsNotWaitedForWithoutEnd(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	err := openTest(t, dir, key).Close()
	if err != nil {
		t.Fatal(err)
	}
	held, err := openAppendLock(dir)
	if err == nil {
		_, err = held.acquire()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	other, err := openAppendLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	_, err = other.acquireWithin(t.Context(), 50*time.Millisecond)
	if !errors.Is(err, ErrLocked) {
		t.Errorf("a held lock: %v", err)
	}
	held.release()
	_, err = other.acquireWithin(t.Context(), time.Second)
	if err != nil {
		t.Errorf("a lock that is free again: %v", err)
	}
}
