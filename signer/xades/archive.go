package xades

import (
	"fmt"
	"io"

	"github.com/beevik/etree"
)

// ArchiveStamp is one ArchiveTimeStamp of version 1.4.1 (EN 319 132-1 §5.5.2).
type ArchiveStamp struct {
	// Token is the RFC 3161 token.
	Token []byte

	at     int // place among the unsigned properties
	method method
}

func (s *Signature) readArchive(el *etree.Element, at int) error {
	m := method{uri: c14n10}
	form := child(el, dsigNS, "CanonicalizationMethod")
	if form != nil {
		var err error
		m, err = readMethod(form)
		if err != nil {
			return err
		}
	}
	if len(children(el, xadesNS, "Include")) != 0 {
		return fmt.Errorf("%w: an archive time-stamp over listed parts", errAlgorithm)
	}
	for _, one := range children(el, xadesNS, "EncapsulatedTimeStamp") {
		der, err := decode(text(one))
		if err != nil {
			return malformed("EncapsulatedTimeStamp")
		}
		if len(s.Archive) == maxItems {
			return fmt.Errorf("%w: time-stamps", ErrLimit)
		}
		s.Archive = append(s.Archive, ArchiveStamp{Token: der, at: at, method: m})
	}
	return nil
}

// ArchiveOctets writes what an archive time-stamp is over (EN 319 132-1
// §5.5.2.2): what each reference gives, SignedInfo, SignatureValue, KeyInfo,
// the unsigned properties before the time-stamp, and the objects that no
// reference names.
func (s *Signature) ArchiveOctets(w io.Writer, a ArchiveStamp) error {
	named := map[*etree.Element]bool{}
	for n := range s.References {
		r := &s.References[n]
		named[r.element] = r.element != nil || named[r.element]
		if r.Err != nil {
			return r.Err
		}
		var err error
		if r.Target == "" {
			_, err = w.Write(s.content)
		} else {
			err = s.octets(w, r, a.method)
		}
		if err != nil {
			return err
		}
	}
	parts := []*etree.Element{s.info, child(s.element, dsigNS, "SignatureValue")}
	info := child(s.element, dsigNS, "KeyInfo")
	if info != nil {
		parts = append(parts, info)
	}
	unsigned := s.unsigned()
	if a.at > len(unsigned) {
		return fmt.Errorf("%w: place of an archive time-stamp", ErrReference)
	}
	parts = append(parts, unsigned[:a.at]...)
	for _, object := range children(s.element, dsigNS, "Object") {
		if !named[object] && !within(s.properties, object) {
			parts = append(parts, object)
		}
	}
	for _, part := range parts {
		err := s.document.canonicalize(w, part, nil, a.method, true)
		if err != nil {
			return err
		}
	}
	return nil
}

// nextArchive is the place of an archive time-stamp over all that is there.
func (s *Signature) nextArchive() ArchiveStamp {
	return ArchiveStamp{at: len(s.unsigned()), method: method{uri: c14nExc}}
}
