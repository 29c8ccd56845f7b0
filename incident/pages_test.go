package incident_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
)

func TestTheQueueShowsWhatItsFilterLetsThrough(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	_, err := c.Close(analystAs(t.Context(), "mai.dn", auth.RoleIncidentLead), "SC-2026-0002", incident.ReasonResolved, "")
	if err != nil {
		t.Fatal(err)
	}
	take(t, c.bench, attack(t, "r4", "", 48*time.Hour)) // SC-2026-0003
	const first, second, third, drill = ">SC-2026-0001<", ">SC-2026-0002<", ">SC-2026-0003<", ">DT-2026-0001<"
	r := c.as(t, "dung.ht")
	cases := []struct {
		name, query string
		in, out     []string
	}{
		{"without filters: open and real", "", []string{first, third}, []string{second, drill}},
		{"closed ones only", "?state=closed", []string{second}, []string{first, third, drill}},
		{"new ones only", "?state=new", []string{third}, []string{first, second, drill}},
		{"every state", "?state=all", []string{first, second, third}, []string{drill}},
		{"a state that does not exist counts as the usual one", "?state=%27x", []string{first, third}, []string{second}},
		{"mine", "?mine=1", []string{first}, []string{third, drill}},
		{"critical ones", "?severity=critical", []string{first, third}, []string{drill}},
		{"of the commune", "?agency=xa-tan-lap", []string{first, third}, []string{drill}},
		{"of another agency", "?agency=stc", []string{"Không có sự cố nào khớp bộ lọc"}, []string{first, third}},
		{"drills only", "?exercise=any", []string{drill}, []string{first, third}},
		{"one drill", "?exercise=dt-1", []string{drill, "Cuộc diễn tập dt-1"}, []string{first, third}},
		{"another drill", "?exercise=dt-2", nil, []string{first, drill}},
		{"both together cannot be asked for", "?exercise=both", []string{first}, []string{drill}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			page, status, _ := r.get("/incidents" + tc.query)
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			want(t, page, tc.in...)
			lacks(t, page, tc.out...)
		})
	}
	page, _, _ := r.get("/incidents?state=closed&agency=xa-tan-lap&mine=1")
	want(t, page, `<option value="closed" selected>`, `<option value="xa-tan-lap" selected>`, "checked", "xem mọi sự cố chưa đóng")
	page, status, _ := r.get("/incidents?after=%23%23")
	if status != http.StatusBadRequest {
		t.Errorf("a broken cursor: status %d", status)
	}
	want(t, page, "Dữ liệu gửi lên không hợp lệ")
}

func analystAs(ctx context.Context, account, role string) context.Context {
	return auth.WithSubject(ctx, auth.Subject{AccountID: account, AgencyID: "ttgsattt", Roles: []string{role}})
}

func TestTheQueueShowsClocksAgencyAndWhoWorks(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	page, _, _ := c.as(t, "dung.ht").get("/incidents")
	want(t, page, "Xã Tân Lập", "Mã độc tống tiền", `class="tag critical">Nghiêm trọng`, "24 giờ", "72 giờ",
		`class="bar warn"`, "width:95%", "▲ còn 1 giờ<", "data-list-keys", `data-key="a"`, "data-live=",
		`action="/incidents/SC-2026-0002/acknowledge"`)
	lacks(t, page, `action="/incidents/SC-2026-0001/acknowledge"`, "exercise-banner")
	c.clock.Advance(2 * time.Hour)
	page, _, _ = c.as(t, "dung.ht").get("/incidents?lang=en")
	want(t, page, "Tan Lap", "Ransomware", `class="bar bad"`, "◆ overdue by 1 h<", "width:100%")
}

func TestExercisePagesCarryTheFrameAndRealOnesDoNot(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	r := c.as(t, "mai.dn")
	for path, framed := range map[string]bool{
		"/incidents": false, "/incidents/SC-2026-0001": false,
		"/incidents?exercise=any": true, "/incidents?exercise=dt-1": true, "/incidents/DT-2026-0001": true,
	} {
		page, status, _ := r.get(path)
		if status != http.StatusOK || strings.Contains(page, "exercise-banner") != framed || strings.Contains(page, "<title>DIỄN TẬP") != framed {
			t.Errorf("%s: status %d, frame %v, want %v", path, status, !framed, framed)
		}
	}
}

func TestTheQueuePagesByKeys(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for i := range 52 {
		take(t, c.bench, attack(t, "r"+string(rune('A'+i)), "", time.Duration(i)*24*time.Hour))
		c.clock.Advance(time.Second)
	}
	r := c.as(t, "dung.ht")
	number := regexp.MustCompile(`href="/incidents/(SC-2026-\d+)"`)
	seen := map[string]bool{}
	path := "/incidents"
	for range 2 {
		page, _, _ := r.get(path)
		for _, m := range number.FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("%s stands on two pages", m[1])
			}
			seen[m[1]] = true
		}
		next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(page)
		if next == nil {
			break
		}
		path = strings.ReplaceAll(next[1], "&amp;", "&")
	}
	if len(seen) != 52 {
		t.Errorf("%d cases on the pages, want 52", len(seen))
	}
}

func TestAcknowledgingInTheQueueReturnsToItWithTheFilter(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	r := c.as(t, "dung.ht")
	form := url.Values{"next": {"/incidents?severity=high"}}
	page, status, at := r.post("/incidents/SC-2026-0002/acknowledge", form)
	if status != http.StatusOK || at != "/incidents?severity=high" {
		t.Errorf("answered %d at %s", status, at)
	}
	lacks(t, page, `action="/incidents/SC-2026-0002/acknowledge"`)
	page, _, _ = r.get("/incidents?mine=1")
	want(t, page, ">SC-2026-0002<", "Hoàng Tiến Dũng", "Đã tiếp nhận")
	page, status, _ = r.post("/incidents/SC-2026-0002/acknowledge", form)
	if status != http.StatusConflict {
		t.Errorf("a second time: status %d", status)
	}
	want(t, page, "có thể người khác đã làm trước", `<option value="high" selected>`)
	_, _, at = r.post("/incidents/SC-2026-0001/acknowledge", url.Values{"next": {"https://evil.example/incidents"}})
	if !strings.HasPrefix(at, "/incidents/SC-2026-0001/acknowledge") {
		t.Errorf("led to %s", at)
	}
}

func TestActsOnACaseShowOnItsPage(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	r := c.as(t, "mai.dn")
	steps := []struct {
		act  string
		form url.Values
		in   []string
	}{
		{"acknowledge", nil, []string{"Đã tiếp nhận và ghi vào sổ cái"}},
		{"assign", url.Values{"account": {"dung.ht"}}, []string{"Đã giao và ghi vào sổ cái", "Giao cho"}},
		{"comment", url.Values{"text": {"Đã cô lập <máy>\r\nvà báo xã"}}, []string{"Đã cô lập &lt;máy&gt;\nvà báo xã"}},
		{"fulfil", url.Values{"clock": {"first-notice"}, "reference": {"12/TB-TTGSATTT"}}, []string{"12/TB-TTGSATTT", "Báo cáo sự cố gửi Bộ Công an"}},
		{"close", url.Values{"reason": {"resolved"}, "note": {"cài lại máy"}}, []string{"Đã đóng sự cố và ghi vào sổ cái", "Đã khắc phục – cài lại máy"}},
	}
	for _, s := range steps {
		page, status, at := r.post("/incidents/SC-2026-0002/"+s.act, s.form)
		if status != http.StatusOK || at != "/incidents/SC-2026-0002?done="+s.act {
			t.Errorf("%s answered %d at %s", s.act, status, at)
		}
		want(t, page, append(s.in, "Chuỗi băm nguyên vẹn", `href="/ledger/`)...)
	}
	err := c.VerifyHistory(t.Context(), "SC-2026-0002")
	if err != nil {
		t.Error(err)
	}
	page, _, _ := r.get("/incidents/SC-2026-0002")
	want(t, page, `id="fulfil"`, `id="comment"`) // the report is still owed
	lacks(t, page, `id="close"`, "/assign", "/acknowledge")
}

func TestARefusedOrWrongActTellsWhyAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	cases := []struct {
		name, who, act string
		form           url.Values
		status         int
		in             []string
	}{
		{"an auditor may not acknowledge", "kiem.tv", "acknowledge", nil, 403, []string{"Chính sách không cho phép", "Bạn xem được sự cố này"}},
		{"an analyst may not close what is another's", "dung.ht", "close", url.Values{"reason": {"resolved"}}, 403, []string{"Chính sách không cho phép"}},
		{"an analyst may not record the report", "dung.ht", "fulfil", url.Values{"clock": {"report"}, "reference": {"1/BC"}}, 403, []string{"Chính sách không cho phép"}},
		{"no reason for closing", "mai.dn", "close", url.Values{"note": {"đã làm sạch"}}, 422, []string{"Hãy chọn lý do đóng", "đã làm sạch</textarea>", `aria-invalid="true"`}},
		{"a reason that does not exist", "mai.dn", "close", url.Values{"reason": {"x"}, "note": {"giữ lại"}}, 422, []string{"không hợp lệ", "giữ lại</textarea>"}},
		{"a real incident does not end with an exercise", "mai.dn", "close", url.Values{"reason": {"exercise-ended"}}, 409, []string{"không còn ở trạng thái"}},
		{"an empty comment", "mai.dn", "comment", url.Values{"text": {"  "}}, 422, []string{"Hãy nhập nội dung ghi chú"}},
		{"a comment that is too long", "mai.dn", "comment", url.Values{"text": {strings.Repeat("ă", 4001)}}, 422, []string{"Nội dung quá dài", "ăăă"}},
		{"an assignee who does not work on cases", "mai.dn", "assign", url.Values{"account": {"hoa.lt"}}, 422, []string{"Hãy chọn một người trong danh sách"}},
		{"no reference", "mai.dn", "fulfil", url.Values{"clock": {"report"}}, 422, []string{"Hãy nhập số văn bản", `<option value="report" selected>`}},
		{"a clock that does not run", "mai.dn", "fulfil", url.Values{"clock": {"x"}, "reference": {"9/BC"}}, 422, []string{"không hợp lệ", `value="9/BC"`}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			before, err := c.Get(analystAs(t.Context(), "x", auth.RoleAuditor), "SC-2026-0002")
			if err != nil {
				t.Fatal(err)
			}
			page, status, _ := c.as(t, tc.who).post("/incidents/SC-2026-0002/"+tc.act, tc.form)
			if status != tc.status {
				t.Errorf("status %d, want %d", status, tc.status)
			}
			want(t, page, append(tc.in, "SC-2026-0002")...)
			after, err := c.Get(analystAs(t.Context(), "x", auth.RoleAuditor), "SC-2026-0002")
			if err != nil || len(after.History) != len(before.History) {
				t.Errorf("the history grew from %d to %d rows (%v)", len(before.History), len(after.History), err)
			}
		})
	}
	t.Run("the ledger does not take the act", func(t *testing.T) {
		c.book.fault = errors.New("disk full")
		page, status, _ := c.as(t, "mai.dn").post("/incidents/SC-2026-0002/comment", url.Values{"text": {"gõ lâu lắm"}})
		if status != http.StatusInternalServerError {
			t.Errorf("status %d", status)
		}
		want(t, page, "Chưa thực hiện được", "gõ lâu lắm</textarea>")
		lacks(t, page, "disk full")
	})
}

func TestPagesAreClosedToThoseWithoutTheRight(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	r := c.as(t, "hoa.lt")
	for _, path := range []string{"/incidents", "/incidents/SC-2026-0001", "/incidents/SC-2026-0001/record?event=s1.r1.1", "/incidents/SC-2026-0001/packet?event=s1.r1.1"} {
		page, status, _ := r.get(path)
		if status != http.StatusForbidden {
			t.Errorf("%s: status %d", path, status)
		}
		want(t, page, "Bạn không có quyền")
	}
	_, status, _ := c.as(t, "dung.ht").get("/incidents/SC-2026-9999")
	if status != http.StatusNotFound {
		t.Errorf("a case that does not exist: status %d", status)
	}
	r.client.Jar = nil
	_, _, at := r.get("/incidents/SC-2026-0001")
	if !strings.HasPrefix(at, "/login?next=") {
		t.Errorf("without a session: %s", at)
	}
}

func TestEvidenceIsGivenAsTheSensorWroteIt(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	r := c.as(t, "kiem.tv")
	page, _, _ := r.get("/incidents/SC-2026-0001")
	want(t, page, "Chứng cứ (6)", "10.3.9.23:51000", "s1.r1.1", "/incidents/SC-2026-0001/packet?event=s1.r1.1", "00 11 22 33 44 55", "Nguyên vẹn")
	d, err := c.Get(analystAs(t.Context(), "x", auth.RoleAuditor), "SC-2026-0001")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Evidence {
		raw, status, _ := r.get("/incidents/SC-2026-0001/record?event=" + e.Event.ID)
		sum := sha256.Sum256([]byte(raw))
		if status != http.StatusOK || hex.EncodeToString(sum[:]) != e.Event.SHA256 {
			t.Errorf("record %s: status %d, another hash", e.Event.ID, status)
		}
		if len(e.Packet) == 0 {
			continue
		}
		file, _, _ := r.get("/incidents/SC-2026-0001/packet?event=" + e.Event.ID)
		reader, err := pcapgo.NewReader(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		frame, info, err := reader.ReadPacketData()
		if err != nil || !bytes.Equal(frame, e.Packet) || !info.Timestamp.Equal(e.Event.At) {
			t.Errorf("the capture holds another frame (%v)", err)
		}
	}
	for _, path := range []string{"/incidents/SC-2026-0001/record?event=s1.r3.1", "/incidents/SC-2026-0001/packet?event=s1.r1.2", "/incidents/SC-2026-0001/record"} {
		_, status, _ := r.get(path)
		if status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

func TestAChangedHistoryOrRecordIsTold(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	for _, q := range []string{
		"UPDATE incident_history SET actor = 'nobody' WHERE seq = 1", "UPDATE incident_event SET raw = CAST('{}' AS BLOB) WHERE id = 's1.r1.2'",
	} {
		_, err := c.db.ExecContext(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
	}
	page, status, _ := c.as(t, "kiem.tv").get("/incidents/SC-2026-0001")
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	want(t, page, "Chuỗi băm bị đứt", "Có 1 bản ghi không còn nguyên vẹn", "Đã bị sửa")
	lacks(t, page, "Chuỗi băm nguyên vẹn")
}

func TestEveryPageIsWholeInBothLanguages(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	untold := regexp.MustCompile(`\b(incidents|error|nav|shell)\.[a-z][a-z0-9.-]*`)
	check := func(r *reader, path string) {
		t.Helper()
		for _, lang := range []string{"vi", "en"} {
			sign := "?"
			if strings.Contains(path, "?") {
				sign = "&"
			}
			page, _, at := r.get(path + sign + "lang=" + lang)
			if at != path+sign+"lang="+lang {
				t.Errorf("%s led to %s", path, at)
			}
			if !strings.Contains(page, `<html lang="`+lang+`">`) || !strings.Contains(page, "</html>") {
				t.Errorf("%s in %s is not whole", path, lang)
			}
			if left := untold.FindString(page); left != "" {
				t.Errorf("%s in %s shows the key %q", path, lang, left)
			}
			if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "<no value>") || strings.Contains(page, "0xc0") {
				t.Errorf("%s in %s holds an unfilled place", path, lang)
			}
		}
	}
	check(c.as(t, "mai.dn"), "/incidents")
	fill(t, c)
	c.clock.Advance(80 * time.Hour)
	_, err := c.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lead := analystAs(t.Context(), "mai.dn", auth.RoleIncidentLead)
	for _, act := range []func() error{
		func() error { _, err := c.Assign(lead, "SC-2026-0001", "dung.ht"); return err },
		func() error { _, err := c.Comment(lead, "SC-2026-0001", "đã báo"); return err },
		func() error { _, err := c.Fulfil(lead, "SC-2026-0001", "report", "1/BC"); return err },
		func() error {
			_, err := c.Close(lead, "SC-2026-0001", incident.ReasonFalsePositive, "nhầm")
			return err
		},
		func() error { _, err := c.Close(lead, "DT-2026-0001", incident.ReasonExercise, ""); return err },
	} {
		err := act()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"/", "/incidents", "/incidents?state=all", "/incidents?exercise=any&state=all", "/incidents?exercise=dt-1", "/incidents?state=closed&mine=1",
		"/incidents/SC-2026-0001", "/incidents/SC-2026-0002", "/incidents/DT-2026-0001",
		"/incidents/SC-2026-0002?done=acknowledge", "/incidents/SC-2026-0002?done=assign", "/incidents/SC-2026-0002?done=comment",
		"/incidents/SC-2026-0002?done=close", "/incidents/SC-2026-0002?done=fulfil", "/incidents/SC-2026-0002?done=x", "/incidents/SC-2026-0002?evidence=all",
	} {
		check(c.as(t, "mai.dn"), path)
		check(c.as(t, "kiem.tv"), path)
	}
}

func TestEveryTextOfTheLocaleFilesIsUsed(t *testing.T) {
	source := new(strings.Builder)
	for _, dir := range []string{"templates", "."} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".html") && !(strings.HasPrefix(e.Name(), "pages") && !strings.HasSuffix(e.Name(), "_test.go")) {
				continue
			}
			b, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	b, err := os.ReadFile("locales/vi.json")
	if err != nil {
		t.Fatal(err)
	}
	// Texts of codes are put together from a prefix and the code.
	coded := regexp.MustCompile(`^incidents\.(state|severity|class|reason|action|clock|to|source|done)\.|^incidents\.nav\.lead$`)
	for _, m := range regexp.MustCompile(`"(incidents\.[^"]+)":`).FindAllStringSubmatch(string(b), -1) {
		if !coded.MatchString(m[1]) && !strings.Contains(source.String(), `"`+m[1]+`"`) {
			t.Errorf("nothing shows the text %q", m[1])
		}
	}
}

func TestALivePageHearsOfAChangeOfItsSideOnly(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	fill(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			t.Error(err)
		}
	})
	listen := func(account, query string) <-chan string {
		r := c.as(t, account)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/incidents/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
			t.Fatalf("content type %q", kind)
		}
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			defer func() { _ = res.Body.Close() }()
			for s := bufio.NewScanner(res.Body); s.Scan(); {
				if strings.HasPrefix(s.Text(), "data:") {
					lines <- s.Text()
				}
			}
		}()
		return lines
	}
	// What Run says of the past is not what the test asks.
	settle := func(lines <-chan string) {
		for {
			select {
			case <-lines:
			case <-time.After(700 * time.Millisecond):
				return
			}
		}
	}
	listed := listen("dung.ht", "?exercise=real")
	shown := listen("dung.ht", "?case=SC-2026-0002")
	other := listen("dung.ht", "?case=SC-2026-0001")
	drill := listen("dung.ht", "?exercise=any")
	barred := listen("hoa.lt", "")
	for _, lines := range []<-chan string{listed, shown, other, drill, barred} {
		settle(lines)
	}
	c.clock.Advance(time.Second)
	_, status, _ := c.as(t, "mai.dn").post("/incidents/SC-2026-0002/acknowledge", nil)
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for name, lines := range map[string]<-chan string{"the queue": listed, "the case": shown} {
		select {
		case line := <-lines:
			if line != "data: changed" {
				t.Errorf("%s got %q", name, line)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s heard nothing", name)
		}
	}
	for name, lines := range map[string]<-chan string{"another case": other, "the drills' queue": drill, "a person without the right": barred} {
		select {
		case line := <-lines:
			t.Errorf("%s got %q", name, line)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func TestPagesNeedAllTheyStandOn(t *testing.T) {
	err := incident.RegisterPages(nil, nil, incident.PageDeps{})
	if !errors.Is(err, incident.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

var _ incident.PageAccounts = (*auth.Accounts)(nil)
