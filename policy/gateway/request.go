package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

// Limits of a request.
const (
	maxPath     = 512
	maxQuery    = 4 << 10
	maxText     = 200
	maxAsked    = 200
	maxSegments = 4
)

// prefix is the path under which datasets stand.
const prefix = "/data/"

// errMalformed means that a request cannot be read; it is answered with 400.
var errMalformed = errors.New("gateway: malformed request")

// Characters of a path segment and of a field or parameter name. Anything
// else, percent signs above all, could mean something else to an owner's
// service than to the policy.
type forms struct{ segment, name *regexp.Regexp }

func newForms() forms {
	return forms{
		segment: regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`),
		name:    regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`),
	}
}

// request is a data request as it was asked.
type request struct {
	query    engine.Query
	segments []string   // of the path after the dataset
	params   url.Values // for the owner's service
}

// content is what the access log keeps of the request.
func (r *request) content() string {
	text := prefix + strings.Join(append([]string{r.query.Dataset}, r.segments...), "/")
	if len(r.params) > 0 {
		text += "?" + r.params.Encode()
	}
	return text
}

// list says whether the request is for the collection.
func (r *request) list() bool { return len(r.segments) == 0 }

func (f forms) read(r *http.Request) (*request, error) {
	path := r.URL.EscapedPath()
	rest, ours := strings.CutPrefix(path, prefix)
	if !ours || len(path) > maxPath || r.ContentLength != 0 {
		return nil, fmt.Errorf("%w: path or body", errMalformed)
	}
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if !record.IsCode(segments[0]) || len(segments) > maxSegments {
		return nil, fmt.Errorf("%w: path", errMalformed)
	}
	for _, segment := range segments[1:] {
		if !f.segment.MatchString(segment) {
			return nil, fmt.Errorf("%w: path", errMalformed)
		}
	}
	if len(r.URL.RawQuery) > maxQuery {
		return nil, fmt.Errorf("%w: query", errMalformed)
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: query: %w", errMalformed, err)
	}
	out := &request{segments: segments[1:], params: params, query: engine.Query{Dataset: segments[0], Operation: "query"}}
	purpose, err := take(r.Header, params, "purpose")
	if err != nil {
		return nil, err
	}
	operation, err := take(r.Header, params, "operation")
	if err != nil {
		return nil, err
	}
	asked, err := take(r.Header, params, "fields")
	if err != nil {
		return nil, err
	}
	out.query.Purpose = purpose
	if operation != "" {
		out.query.Operation = operation
	}
	return out, f.names(out, asked)
}

// names reads the names of fields and of parameters.
func (f forms) names(out *request, asked string) error {
	if asked != "" {
		for name := range strings.SplitSeq(asked, ",") {
			out.query.Fields = append(out.query.Fields, strings.TrimSpace(name))
		}
	}
	for name, values := range out.params {
		if len(values) != 1 {
			return fmt.Errorf("%w: parameter given twice", errMalformed)
		}
		out.query.Filters = append(out.query.Filters, name)
	}
	slices.Sort(out.query.Filters)
	if len(out.query.Fields) > maxAsked || len(out.query.Filters) > maxAsked {
		return fmt.Errorf("%w: too many fields", errMalformed)
	}
	for _, name := range slices.Concat(out.query.Fields, out.query.Filters) {
		if !f.name.MatchString(name) {
			return fmt.Errorf("%w: name of a field", errMalformed)
		}
	}
	return nil
}

// take reads a value from its header or its query parameter, which it removes.
func take(header http.Header, params url.Values, name string) (string, error) {
	values := slices.Concat(header.Values("Antin-"+name), params[name])
	params.Del(name)
	if len(values) == 0 {
		return "", nil
	}
	limit := maxText
	if name == "fields" {
		limit = maxQuery
	}
	if len(values) > 1 || len(values[0]) > limit {
		return "", fmt.Errorf("%w: %s given twice or too long", errMalformed, name)
	}
	return values[0], nil
}
