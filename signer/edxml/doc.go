// Package edxml builds and reads the envelopes in which state agencies exchange
// documents: edXML after QCVN 102:2016/BTTTT (TT 10/2016/TT-BTTTT, amended by TT
// 01/2022/TT-BTTTT: identifiers of up to 35 characters). An envelope carries a
// document, or withdraws, updates or replaces one that was sent; a status answers
// one: arrived, refused with a reason, taken in, and so on (QĐ 28/2018/QĐ-TTg).
//
// Signatures are XML-DSig with XAdES properties inside edXMLHeader (signer/xades
// makes them, signer/validate judges them). RSA-SHA1, which envelopes in use
// still carry, is told as weak and never made.
//
// The names of elements follow envelopes in use, with their spelling
// ("Bussiness"). The package does not send or receive, and does not hold
// envelopes above the bounds of XML signatures (xades.MaxBytes).
package edxml

import "errors"

// Namespace of QCVN 102:2016/BTTTT.
const Namespace = "http://www.mic.gov.vn/TBT/QCVN_102_2016"

// SignatureParent is the element that holds the signature.
const SignatureParent = "edXMLHeader"

var (
	// ErrInvalid means that an envelope lacks what the standard demands.
	ErrInvalid = errors.New("edxml: invalid envelope")
	// ErrMalformed means that a file is no edXML envelope.
	ErrMalformed = errors.New("edxml: not an edXML envelope")
	// ErrLimit means that an envelope holds more than is taken.
	ErrLimit = errors.New("edxml: over a limit")
)

const (
	maxOrgan       = 35       // characters of an identifier (TT 01/2022)
	maxText        = 10_000   // characters of one field
	maxList        = 1000     // receivers, places, appendixes
	maxAttachments = 50       // of one envelope
	maxAttached    = 23 << 20 // bytes of all: what base64 leaves of xades.MaxBytes
)
