package ra

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"

	"github.com/antin-gov/antin/ca/ra/sheet"
)

// column is a column of a file of requests. Its title is what the template
// carries; the name is taken as well.
type column struct {
	name, title, help string
}

// columns are the columns of a file, in the template's order. Where a column
// stands in a file does not matter; one that is not here is an error, so that a
// slip in a head does not lose what stands below it.
func columns() []column {
	return []column{
		{"kind", "Loại yêu cầu", "new (cấp mới; để trống cũng vậy), renew (gia hạn), change (thay đổi thông tin), rekey (thay khóa), revoke (thu hồi), recover (khôi phục thiết bị)"},
		{"profile", "Loại chứng thư", "official, agency-seal, service, client, device hoặc sensor; có thể bỏ trống khi yêu cầu nêu số hiệu chứng thư"},
		{"person", "Mã cán bộ", "mã trong danh bạ, cho chứng thư cá nhân"},
		{"agency", "Mã cơ quan", "mã trong danh bạ, cho con dấu hoặc máy"},
		{"machine", "Tên máy", "tên dịch vụ, thiết bị hoặc cảm biến"},
		{"dns", "Tên miền", "cách nhau bằng dấu cách"},
		{"ip", "Địa chỉ IP", "cách nhau bằng dấu cách"},
		{"key", "Khóa", "csr (để trống cũng vậy): khóa ở nơi khác; token hoặc token:THUẬT TOÁN, ví dụ token:EC-P256: khóa được tạo trong thiết bị của hệ thống"},
		{"csr", "Yêu cầu PKCS#10", "PEM, base64 của DER, hoặc tên tệp trong thư mục zip"},
		{"serial", "Số hiệu chứng thư", "chứng thư liên quan, khi yêu cầu không phải là cấp mới"},
		{"cause", "Lý do thu hồi", "theo danh mục lý do, ví dụ key-exposed, device-lost, post-changed, retired"},
		{"device", "Số hiệu thiết bị", "số hiệu thiết bị lưu khóa của người giữ"},
		{"note", "Ghi chú", ""},
	}
}

// resultColumns are what a result file adds; a file of requests may carry them.
func resultColumns() []column {
	return []column{
		{"result", "Kết quả", ""}, {"reason", "Lý do", ""}, {"request", "Mã yêu cầu", ""}, {"certificate", "Chứng thư đã cấp", ""}, {"until", "Hết hạn", ""},
	}
}

// defaultTokenKey is the kind of key that is made in the token where a row does
// not say another.
const defaultTokenKey = "EC-P256"

// places says at which place of a head each column stands.
func places(head []string) (map[string]int, error) {
	known := make(map[string]string)
	for _, c := range append(columns(), resultColumns()...) {
		known[c.name], known[strings.ToLower(c.title)] = c.name, c.name
	}
	at := make(map[string]int)
	for i, text := range head {
		if text == "" {
			continue
		}
		name, ok := known[strings.ToLower(strings.Join(strings.Fields(text), " "))]
		if !ok {
			return nil, fmt.Errorf("%w: column %d: %.80q is no column of requests; see antin ca bulk template", ErrForm, i+1, text)
		}
		_, twice := at[name]
		if twice {
			return nil, fmt.Errorf("%w: column %d: %q stands twice", ErrForm, i+1, text)
		}
		at[name] = i
	}
	_, profile := at["profile"]
	_, serial := at["serial"]
	if !profile && !serial {
		return nil, fmt.Errorf("%w: the first row is no head of requests: neither profile nor serial is there; see antin ca bulk template", ErrForm)
	}
	return at, nil
}

// maxRowNames bounds the DNS names and addresses of a row.
const maxRowNames = 32

// readRow makes a form of a row.
func readRow(at map[string]int, row sheet.Row, files map[string][]byte) (Form, error) {
	cell := func(name string) string {
		i, ok := at[name]
		if !ok || i >= len(row.Cells) {
			return ""
		}
		return row.Cells[i]
	}
	f := Form{Kind: Kind(strings.ToLower(cell("kind"))), Profile: cell("profile"), PersonID: cell("person"), AgencyID: cell("agency"), Machine: cell("machine"),
		Serial: strings.ToLower(strings.ReplaceAll(cell("serial"), ":", "")), Cause: cell("cause"), Device: cell("device"), Note: cell("note")}
	f.DNSNames = strings.Fields(strings.ReplaceAll(cell("dns"), ",", " "))
	for _, text := range strings.Fields(strings.ReplaceAll(cell("ip"), ",", " ")) {
		ip := net.ParseIP(text)
		if ip == nil {
			return f, fmt.Errorf("%w: %.80q is not an IP address", ErrForm, text)
		}
		f.IPs = append(f.IPs, ip)
	}
	if len(f.DNSNames) > maxRowNames || len(f.IPs) > maxRowNames {
		return f, fmt.Errorf("%w: over %d names", ErrForm, maxRowNames)
	}
	if len(f.DNSNames) == 0 {
		f.DNSNames = nil
	}
	key, algorithm, _ := strings.Cut(cell("key"), ":")
	csr, err := readCell(cell("csr"), files)
	if err != nil {
		return f, err
	}
	f.CSR = csr
	switch strings.ToLower(key) {
	case "", "csr":
	case "token":
		f.MakeKey = algorithm
		if algorithm == "" {
			f.MakeKey = defaultTokenKey
		}
	default:
		return f, fmt.Errorf("%w: key %.80q: want csr, token or token:ALGORITHM", ErrForm, cell("key"))
	}
	return f, nil
}

// readCell reads a PKCS#10 request from a cell.
func readCell(text string, files map[string][]byte) ([]byte, error) {
	switch {
	case text == "":
		return nil, nil
	case strings.HasPrefix(text, "-----BEGIN "):
		return []byte(text), nil
	case files[text] != nil:
		return files[text], nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("%w: csr: neither PEM, nor base64, nor a file of the zip folder: %.80q", ErrForm, text)
	}
	return der, nil
}

// Template is the empty file of requests, with a sheet that explains its
// columns.
func Template() []sheet.Sheet {
	requests := sheet.Sheet{Name: "Yêu cầu"}
	help := sheet.Sheet{Name: "Hướng dẫn", Head: []string{"Cột", "Tên trong tệp", "Nội dung"}, Widths: []float64{22, 18, 110}}
	for _, c := range columns() {
		requests.Head = append(requests.Head, c.title)
		help.Rows = append(help.Rows, []string{c.title, c.name, c.help})
	}
	return []sheet.Sheet{requests, help}
}
