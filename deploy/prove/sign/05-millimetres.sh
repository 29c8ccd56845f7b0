# Sourced by prove.sh. A document printed by a browser is signed by its signer
# and sealed by its agency without any place being given: the pages are rendered
# and the marks measured by their pixels.
part "5. The marks of NĐ 30/2020, measured in millimetres"
M=$W/millimetres; mkdir -p "$M"; cd "$M" || return
DPI=300
(cd "$ROOT" && go build -o "$M/millimetres" ./deploy/prove/millimetres) || { echo "deploy/prove/millimetres does not build" >&2; exit 3; }
# sheet NAME MARK writes a decision of a department in the form of the decree, as a browser prints it.
sheet() {
  cat >"$1.html" <<HTML
<!doctype html><html lang=vi><meta charset=utf-8><title>Quyết định</title><style>
@page{size:A4;margin:20mm 15mm 20mm 30mm} body{font:14pt/1.3 "Liberation Serif","Times New Roman",serif;margin:0}
p{text-align:justify;text-indent:1.27cm;margin:6pt 0} table{width:100%;border-collapse:collapse} td{vertical-align:top;text-align:center;padding:0}
h1{font-size:14pt;text-align:center;margin:12pt 0 0} b{font-weight:bold} .h{font-size:13pt} .n{text-align:left;font-size:11pt}</style>
<table><tr><td class=h style="width:42%">UBND TỈNH<br><b>SỞ NỘI VỤ</b>$2<td class=h><b>CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM<br>Độc lập - Tự do - Hạnh phúc</b>
<tr><td class=h><br>Số: 05/QĐ-SNV<td class=h><br><i>Tân Lập, ngày 05 tháng 02 năm 2026</i></table>
<h1>QUYẾT ĐỊNH</h1><h1 style="margin:0 0 12pt">Về việc ban hành Quy chế bảo mật thông tin</h1>
<p>Căn cứ Luật Bảo vệ bí mật nhà nước; tài liệu MẬT, TỐI MẬT và TUYỆT MẬT thực hiện theo quy định riêng.<p><b>Điều 1.</b> Ban hành kèm theo Quyết định này Quy chế bảo mật thông tin.
<p><b>Điều 2.</b> Quyết định này có hiệu lực từ ngày ký. Các phòng, đơn vị chịu trách nhiệm thi hành./.
<table style="margin-top:12pt"><tr><td class=n style="width:50%"><b style="font-size:12pt"><i>Nơi nhận:</i></b><br>- Như Điều 2;<br>- Lưu: VT, TCCB.<td><b>KT. GIÁM ĐỐC<br>PHÓ GIÁM ĐỐC<br><br><br><br><br>Nguyễn Văn Bình</b></table>
HTML
  chromium --headless --no-sandbox --disable-gpu --user-data-dir="$M/profile" --no-pdf-header-footer --print-to-pdf="$M/$1.pdf" "file://$M/$1.html" >/dev/null 2>&1
}
# draw FILE renders the first page as FILE.png.
draw() { mutool draw -r $DPI -o "$1.png" "$1.pdf" 1 2>/dev/null; }
# number EXPRESSION reads one number of the measurement.
number() { jq -r "$1" mm.json; }
within() { jq -e --argjson low "$2" --argjson high "$3" "($1) as \$v | if \$v >= \$low and \$v <= \$high then true else error(\"is \(\$v), should be \($2) to \($3)\") end" mm.json; }

sheet plain ""
show "antin nd30 check quyet-dinh.pdf"
claim "the decree's checker finds nothing broken in the document" antin nd30 check plain.pdf
show "antin sign plain.pdf -o signed.pdf --key demo-official --visible person"
show "antin sign signed.pdf -o sealed.pdf --key demo-agency --visible seal --diameter MM"
claim "signed, with no place given" antin sign plain.pdf -o signed.pdf --key demo-official --visible person
draw signed
for diameter in 36 38 40; do
  rm -f sealed.pdf sealed.png
  claim "sealed with a seal of $diameter mm" antin sign signed.pdf -o sealed.pdf --key demo-agency --visible seal --diameter $diameter
  draw sealed
  show "mutool draw -r $DPI; the red and the blue counted"
  ./millimetres signed.png sealed.png $DPI >mm.json
  jq -r '"        seal \(.red.width*100|round/100) × \(.red.height*100|round/100) mm; covers \(.overlap*1000|round/10) % of the signature of \(.blue.width*10|round/10) × \(.blue.height*10|round/10) mm"' mm.json
  claim "   its diameter on paper is $diameter mm within 0.3 mm" within ".red.width" "$(jq -n "$diameter-0.3")" "$(jq -n "$diameter+0.3")"
  claim "   it is round" within ".red.width-.red.height" -0.2 0.2
  claim "   it covers about a third of the signature, on its left" within ".overlap" 0.28 0.40
  claim "   and begins left of it" within ".blue.x-.red.x" 5 40
done
# Where title and name stand, by another reader.
pdftotext -bbox -l 1 plain.pdf words.html
word() { sed -n "s|.*xMin=\"\([0-9.]*\)\" yMin=\"\([0-9.]*\)\" xMax=\"\([0-9.]*\)\" yMax=\"\([0-9.]*\)\">$1</word>.*|\1 \2 \3 \4|p" words.html | tail -1; }
mm() { jq -n "$1*25.4/72"; }
read -r x1 _ _ _ <<<"$(word 'Nguy.*')"; read -r _ top x2 _ <<<"$(word 'Bình')"; read -r _ _ _ foot <<<"$(sed -n 's|.*yMax="\([0-9.]*\)">PHÓ</word>.*|0 0 0 \1|p' words.html | tail -1)"
if [ -n "$x1" ] && [ -n "$x2" ] && [ -n "$foot" ]; then
  show "pdftotext -bbox: the name is from $(mm "$x1" | cut -c1-5) to $(mm "$x2" | cut -c1-5) mm, the room from $(mm "$foot" | cut -c1-5) to $(mm "$top" | cut -c1-5) mm"
  claim "the signature's middle is the name's, within 1.5 mm" within ".blue.x+.blue.width/2-($x1+$x2)/2*25.4/72" -1.5 1.5
  claim "it stands below the title" within ".blue.y-$foot*25.4/72" -0.5 20
  claim "and above the name" within "$top*25.4/72-.blue.y-.blue.height" -0.5 20
else
  claim "pdftotext finds title and name" false
fi
claim "the sealed document verifies" antin verify sealed.pdf
show "antin sign phu-luc.pdf --visible attachment --number 05/QĐ-SNV"
claim "an attachment carries number and time, without an image" antin sign plain.pdf -o phu-luc.pdf --key demo-official --visible attachment --number 05/QĐ-SNV
pdftotext -bbox -l 1 phu-luc.pdf words.html
claim "   the time is in the zone +07:00 (ISO 8601)" grep -q '>20[0-9-]*T[0-9:]*+07:00</word>' words.html
read -r x1 y1 x2 y2 <<<"$(word '20[0-9-]*T.*+07:00')"
claim "   at the top right: it ends above 20 mm and within 20 mm of the right edge" jq -ne "$y2*25.4/72 < 20 and 210-$x2*25.4/72 < 20 and 210-$x2*25.4/72 > 10"
claim "a copy (sao y) carries its form and agency" antin sign signed.pdf -o sao-y.pdf --key demo-agency --visible copy --copy sao-y
claim "   as text" bash -c 'pdftotext -l 1 sao-y.pdf - | grep -q "SAO Y"'
for mark in MẬT "TỐI MẬT" "TUYỆT MẬT"; do
  sheet secret "<br><span style='border:3px double red;color:red'>&nbsp;$mark&nbsp;</span>"
  rm -f out.pdf
  claim "a document marked $mark is not signed: exit status 3" exits 3 antin sign secret.pdf -o out.pdf --key demo-official
  claim "   and nothing is written" test ! -e out.pdf
done
cd "$ROOT" || return
