# Sourced by prove.sh. Every parser of the certification centre that takes bytes from outside, under Go's fuzzer: five minutes each take half
# an hour.
part "10. Parsers of outside bytes under the fuzzer, ${ANTIN_PROVE_FUZZ:-30s} each"
fuzzers ca/ra:FuzzReadCSR ca/ocsp:FuzzParseRequest ca/tsa:FuzzParseRequest ca/est:FuzzBody ca/est:FuzzRequest ca/acme:FuzzJWS ca/acme:FuzzPayload \
  ca/ra/sheet:FuzzRead ca/ra/sheet:FuzzParts ca/offline:FuzzOpen
