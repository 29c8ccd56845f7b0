package validate

import (
	"strconv"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/trust"
)

// said is the n-th argument of a reason as it stands in a sentence: words for why
// nothing is known about a revocation, times on Vietnam's clock, durations in
// days and hours. Names stay as they are.
func said(code Code, n int, arg string, lang Lang) string {
	if n == 0 { // a name
		return arg
	}
	switch code {
	case CodeRevocationUnknown:
		why, ok := whyWords()[trust.RevocationWhy(arg)]
		if ok {
			return why.in(lang)
		}
	case CodeRevoked, CodeRevokedCA, CodeRevokedLater, CodeRevocationOld, CodeRevocationOffline:
		t, err := time.Parse(time.RFC3339, arg)
		if err == nil {
			return t.In(time.FixedZone("ICT", 7*60*60)).Format("02/01/2006 15:04:05 -07:00")
		}
		d, err := time.ParseDuration(arg)
		if err == nil {
			return lasting(d, lang)
		}
	}
	return arg
}

// lasting is a duration in words, to the two largest units.
func lasting(d time.Duration, lang Lang) string {
	units := []struct {
		size time.Duration
		word message
	}{
		{24 * time.Hour, message{"ngày", "d"}}, {time.Hour, message{"giờ", "h"}}, {time.Minute, message{"phút", "min"}}, {time.Second, message{"giây", "s"}},
	}
	var parts []string
	for _, u := range units {
		n := int64(d / u.size)
		if n > 0 && len(parts) < 2 {
			parts = append(parts, strconv.FormatInt(n, 10)+" "+u.word.in(lang))
			d -= time.Duration(n) * u.size
		}
	}
	if len(parts) == 0 {
		return "0 " + units[len(units)-1].word.in(lang)
	}
	return strings.Join(parts, " ")
}

// whyWords say why the state of a certificate is not known.
func whyWords() map[trust.RevocationWhy]message {
	return map[trust.RevocationWhy]message{
		trust.WhyNone:       {"chưa xét", "not looked at"},
		trust.WhyNoEvidence: {"không có dữ liệu về chứng thư này", "no data about this certificate"},
		trust.WhyMalformed:  {"dữ liệu không đọc được", "the data cannot be read"},
		trust.WhyRefused:    {"máy chủ OCSP không trả lời", "the responder gave no answer"},
		trust.WhyNotOurs:    {"dữ liệu nói về chứng thư khác", "the data is about other certificates"},
		trust.WhySignature:  {"chữ ký trên dữ liệu không đúng", "the signature on the data does not verify"},
		trust.WhyResponder:  {"dữ liệu do nơi không có thẩm quyền ký", "the data is signed by somebody without the right"},
		trust.WhyCritical:   {"có phần mở rộng bắt buộc không hiểu được", "a critical extension is not understood"},
		trust.WhyTime:       {"dữ liệu quá cũ, đề ngày tương lai, hoặc có sau khi chứng thư hết hạn", "the data is not fresh, from the future, or from after the expiry"},
		trust.WhyWeak:       {"dữ liệu được ký bằng thuật toán yếu", "the data is signed with a weak algorithm"},
		trust.WhyScope:      {"CRL không bao gồm chứng thư này", "the CRL does not cover this certificate"},
		trust.WhyUnknown:    {"máy chủ OCSP không biết chứng thư này", "the responder does not know it"},
		trust.WhyConflict:   {"có nhiều câu trả lời mâu thuẫn", "the answers contradict each other"},
	}
}
