package profile

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestNamesAreWrittenWithTheShortNamesOfTheirAttributes(t *testing.T) {
	at := func(last int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
	}
	for want, name := range map[string]pkix.RDNSequence{
		"serialNumber=p-lan,CN=Trần Thị Lan,title=Chuyên viên,organizationIdentifier=GOVVN-H99,O=Ủy ban,C=VN": {
			{at(6, "VN")}, {at(10, "Ủy ban")}, {at(97, "GOVVN-H99")}, {at(12, "Chuyên viên")}, {at(3, "Trần Thị Lan")}, {at(5, "p-lan")}},
		`CN=A\, B\+C\"`:   {{at(3, `A, B+C"`)}},
		"CN=b+OU=a":       {{at(11, "a"), at(3, "b")}},
		"2.5.4.41=Nguyễn": {{at(41, "Nguyễn")}},
		"":                {},
	} {
		der, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := NameText(der); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := NameText([]byte{0x30, 5}); got != "#3005" {
		t.Errorf("bytes that are no name: %q", got)
	}
}

func TestHolderIsReadFromTheSubject(t *testing.T) {
	for subject, want := range map[string]string{
		"CN=Ủy ban nhân dân Xã A,O=Ủy ban nhân dân Xã A,C=VN,2.5.4.97=#130c": "Ủy ban nhân dân Xã A",
		"SERIALNUMBER=p-long,CN=Cao Đức Long,O=x,C=VN":                       "Cao Đức Long",
		`SERIALNUMBER=1,CN=A\, B,O=x`:                                        "A, B",
		"O=x,C=VN":                                                           "O=x,C=VN",
		"OU=ACN=b,CN=c":                                                      "c",
	} {
		got := CommonName(subject)
		if got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
}
