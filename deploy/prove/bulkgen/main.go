// Command bulkgen makes the files of the proof of bulk registration: people of
// the reference province (people.csv) and an XLSX of requests for them, each
// with a key and a PKCS#10 request of its own (requests.xlsx). Of every hundred
// rows one is bad, in ten different ways; bad.txt lists their numbers.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/csv"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/internal/directory"
)

func main() {
	rows := flag.Int("rows", 4000, "rows of requests")
	bad := flag.Int("bad", 40, "bad rows among them")
	out := flag.String("out", ".", "folder")
	flag.Parse()
	err := run(*rows, *bad, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bulkgen:", err)
		os.Exit(3)
	}
}

func run(rows, bad int, out string) error {
	if bad < 0 || bad > rows {
		return errors.New("more bad rows than rows")
	}
	agencies, err := below()
	if err != nil {
		return err
	}
	people := [][]string{{"person", "name", "email", "phone", "agency", "title", "title_en", "valid_from"}}
	for i := range rows {
		people = append(people, []string{person(i), name(i), person(i) + "@demo.antin.example", "", agencies[i%len(agencies)], "Chuyên viên", "Officer", "2025-07-01"})
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err = w.WriteAll(people)
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(out, "people.csv"), b.Bytes(), 0o644)
	if err != nil {
		return err
	}
	requests := ra.Template()
	var wrong []string
	for i := range rows {
		row, err := request(i)
		if err != nil {
			return err
		}
		// The bad rows stand evenly over the file.
		if bad > 0 && i%(rows/bad) == rows/bad/2 && len(wrong) < bad {
			err = spoil(row, len(wrong), requests[0].Rows)
			if err != nil {
				return err
			}
			wrong = append(wrong, fmt.Sprint(i+2))
		}
		requests[0].Rows = append(requests[0].Rows, row)
	}
	b.Reset()
	err = sheet.WriteXLSX(&b, requests...)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(out, "requests.xlsx"), b.Bytes(), 0o644),
		os.WriteFile(filepath.Join(out, "bad.txt"), []byte(strings.Join(wrong, "\n")+"\n"), 0o644))
}

// below are the agencies under the province's own.
func below() ([]string, error) {
	f, err := directory.Demo()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, a := range f.Agencies {
		if a.ParentID == "ubnd" && a.ValidTo == nil {
			ids = append(ids, a.ID)
		}
	}
	return ids, nil
}

func person(i int) string { return fmt.Sprintf("cb-%05d", i+1) }

// name is one of the commonest names of the country.
func name(i int) string {
	family := []string{"Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý"}
	middle := []string{"Văn", "Thị", "Đức", "Ngọc", "Minh", "Quang", "Hữu", "Thanh"}
	given := []string{"An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Hải", "Hạnh", "Hùng", "Khánh", "Lan", "Linh", "Long", "Mai", "Nam", "Nga", "Oanh", "Phúc", "Quân", "Sơn", "Tâm", "Thảo", "Trang", "Tuấn", "Uyên", "Vân", "Yến"}
	return strings.Join([]string{family[i%len(family)], middle[i/16%len(middle)], given[i/128%len(given)]}, " ")
}

// Places of the columns in the template.
const (
	atKind = iota
	atProfile
	atPerson
	atAgency
	atMachine
	atDNS
	atIP
	atKey
	atCSR
	atSerial
	columnCount = 13
)

func request(i int) ([]string, error) {
	row := make([]string, columnCount)
	row[atKind], row[atProfile], row[atPerson] = "new", "official", person(i)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	row[atCSR], err = csr(key, person(i))
	return row, err
}

func csr(key any, cn string) (string, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}, key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// spoil makes a row bad in one of ten ways.
func spoil(row []string, n int, before [][]string) error {
	switch n % 10 {
	case 0: // nobody
		row[atPerson] = "cb-99999"
	case 1: // no key
		row[atCSR] = ""
	case 2: // the signature of the request does not hold
		block, _ := pem.Decode([]byte(row[atCSR]))
		block.Bytes[len(block.Bytes)-1] ^= 1
		row[atCSR] = string(pem.EncodeToMemory(block))
	case 3: // no such profile
		row[atProfile] = "oficial"
	case 4: // the person of an earlier row
		row[atPerson] = before[len(before)-1][atPerson]
	case 5: // the key of an earlier row
		row[atCSR] = before[len(before)-1][atCSR]
	case 6: // a key that is too short
		key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // meant to be refused
		if err != nil {
			return err
		}
		row[atCSR], err = csr(key, "short")
		return err
	case 7: // another agency than that of the position
		row[atAgency] = "ubnd"
	case 8: // a kind that is none
		row[atKind] = "cấp"
	default: // both a key and one to be made
		row[atKey] = "token"
	}
	return nil
}
