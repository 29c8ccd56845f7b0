// Command pdfsigner signs a PDF with digitorus/pdfsign and a key in a file: the
// peer whose signatures our verifier has to understand.
package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/digitorus/pdfsign/sign"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: pdfsigner KEY.pem CHAIN.pem IN.pdf OUT.pdf")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pdfsigner:", err)
		os.Exit(1)
	}
}

func run(keyFile, chainFile, in, out string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("no PEM in " + keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return errors.New("a key that does not sign")
	}
	text, err = os.ReadFile(chainFile)
	if err != nil {
		return err
	}
	var chain []*x509.Certificate
	for block, text = pem.Decode(text); block != nil; block, text = pem.Decode(text) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return errors.New("no certificate in " + chainFile)
	}
	data := sign.SignData{Signer: key, DigestAlgorithm: crypto.SHA256, Certificate: chain[0], CertificateChains: [][]*x509.Certificate{chain}}
	data.Signature.CertType = sign.ApprovalSignature
	data.Signature.Info = sign.SignDataSignatureInfo{Name: chain[0].Subject.CommonName, Date: time.Now()}
	return sign.SignFile(in, out, data)
}
