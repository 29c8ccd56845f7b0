// Package registry is the enterprise register of the demonstration: a small
// REST service over its own data, as a department runs one today. It listens
// on loopback only and knows nothing of agencies, agreements or fields: who may
// see what is the gateway's matter. The enterprises are invented; the same seed
// gives the same register.
package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Enterprise is an entry of the register, as its service gives it.
type Enterprise struct {
	Code           string `json:"code"`
	Name           string `json:"name"`
	Kind           string `json:"kind"`
	Status         string `json:"status"`
	RegisteredOn   string `json:"registered_on"`
	IndustryCode   string `json:"industry_code"`
	Industry       string `json:"industry"`
	Address        string `json:"address"`
	Commune        string `json:"commune"`
	CharterCapital int64  `json:"charter_capital"`
	Employees      int    `json:"employees"`
	TaxDebt        int64  `json:"tax_debt"`
	OwnerName      string `json:"owner_name"`
	OwnerID        string `json:"owner_id"`
	OwnerBirthDate string `json:"owner_birth_date"`
	OwnerPhone     string `json:"owner_phone"`
	BankAccount    string `json:"bank_account"`
	InspectionNote string `json:"inspection_note"`
}

// words are what names and addresses are made of.
type words struct {
	kinds, statuses, communes, streets, goods, brands, surnames, middles, givens, notes []string
	industries                                                                          [][2]string
}

func vocabulary() words {
	return words{
		kinds:    []string{"Công ty TNHH một thành viên", "Công ty TNHH hai thành viên trở lên", "Công ty cổ phần", "Doanh nghiệp tư nhân"},
		statuses: []string{"Đang hoạt động", "Đang hoạt động", "Đang hoạt động", "Đang hoạt động", "Tạm ngừng kinh doanh", "Đang làm thủ tục giải thể"},
		communes: []string{"Phường Trung Tâm", "Phường Đông Kinh", "Phường Tây Hồ", "Phường Nam Giang", "Phường Bắc Sơn", "Xã Tân Lập", "Xã Đồng Tiến", "Xã Quang Trung", "Xã Minh Khai", "Đặc khu Bạch Long"},
		streets:  []string{"đường Lê Lợi", "đường Trần Phú", "đường Nguyễn Trãi", "đường Hùng Vương", "phố Hàng Than", "khu công nghiệp Đông Tiến", "quốc lộ 10"},
		goods:    []string{"Thương mại", "Xây dựng", "Cơ khí", "Dệt may", "Thủy sản", "Vận tải", "Công nghệ", "Nông sản", "Dược phẩm", "Du lịch"},
		brands:   []string{"Hoàng Gia", "Minh Phát", "Đại Thành", "An Khang", "Thiên Long", "Bình Minh", "Sao Việt", "Hồng Hà", "Trường Sơn", "Phú Quý", "Tân Tiến", "Đông Á"},
		surnames: []string{"Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Ngô"},
		middles:  []string{"Văn", "Thị", "Đức", "Ngọc", "Minh", "Thu", "Quang", "Hải"},
		givens:   []string{"An", "Bình", "Cường", "Dung", "Giang", "Hà", "Hùng", "Lan", "Mai", "Nam", "Oanh", "Phúc", "Sơn", "Tâm", "Yến"},
		notes:    []string{"", "", "", "Kiểm tra lại vốn góp", "Có đơn phản ánh, đang xác minh", "Nhắc nộp báo cáo tài chính"},
		industries: [][2]string{
			{"4669", "Bán buôn chuyên doanh khác"}, {"4101", "Xây dựng nhà để ở"}, {"2592", "Gia công cơ khí"}, {"1410", "May trang phục"},
			{"1020", "Chế biến thủy sản"}, {"4933", "Vận tải hàng hóa bằng đường bộ"}, {"6201", "Lập trình máy vi tính"}, {"4620", "Bán buôn nông sản"},
			{"2100", "Sản xuất thuốc"}, {"7911", "Đại lý du lịch"},
		},
	}
}

// Generate returns n invented enterprises in order of their codes.
func Generate(seed uint64, n int) []Enterprise {
	r := rand.New(rand.NewPCG(seed, 0x646f616e68)) // "doanh"
	w := vocabulary()
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	list := make([]Enterprise, 0, n)
	names := map[string]int{}
	for i := range n {
		kind := pick(w.kinds)
		trade := r.IntN(len(w.goods))
		name := kind
		if kind == w.kinds[0] || kind == w.kinds[1] {
			name = "Công ty TNHH"
		}
		name += " " + w.goods[trade] + " " + pick(w.brands)
		names[name]++
		if names[name] > 1 {
			name += fmt.Sprint(" ", names[name])
		}
		birth := time.Date(1955+r.IntN(45), time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, time.UTC)
		registered := time.Date(2005+r.IntN(21), time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, time.UTC)
		commune := pick(w.communes)
		debt := int64(0)
		if r.IntN(5) == 0 {
			debt = int64(r.IntN(900)) * 1_000_000
		}
		list = append(list, Enterprise{
			Code: fmt.Sprintf("09%08d", 10_000_000+i*7919), Name: name, Kind: kind, Status: pick(w.statuses),
			RegisteredOn: registered.Format(time.DateOnly), IndustryCode: w.industries[trade][0], Industry: w.industries[trade][1],
			Address: fmt.Sprintf("Số %d, %s, %s", 1+r.IntN(400), pick(w.streets), commune), Commune: commune,
			CharterCapital: int64(1+r.IntN(500)) * 100_000_000, Employees: 1 + r.IntN(900), TaxDebt: debt,
			OwnerName: strings.Join([]string{pick(w.surnames), pick(w.middles), pick(w.givens)}, " "),
			OwnerID:   fmt.Sprintf("0%02d%d%02d%06d", 1+r.IntN(96), r.IntN(4), birth.Year()%100, r.IntN(1_000_000)), OwnerBirthDate: birth.Format(time.DateOnly),
			OwnerPhone: fmt.Sprintf("09%08d", r.IntN(100_000_000)), BankAccount: fmt.Sprintf("%013d", r.Int64N(10_000_000_000_000)),
			InspectionNote: pick(w.notes),
		})
	}
	slices.SortFunc(list, func(a, b Enterprise) int { return strings.Compare(a.Code, b.Code) })
	return list
}
