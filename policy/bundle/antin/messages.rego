package antin.sharing

message(code) := object.get(messages, code, messages["agreement-unsound"])

# messages says each reason in both languages with its legal basis. A refusal
# tells the next step.
messages := {
	"agency-unknown": {
		"vi": "Cơ quan yêu cầu không có trong danh mục cơ quan đang hoạt động tại thời điểm yêu cầu. Cập nhật danh mục cơ quan hoặc chứng thư số của dịch vụ.",
		"en": "The asking agency is not in the register of agencies at the time of the request. Update the register or the service's certificate.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"dataset-unknown": {
		"vi": "Cơ sở dữ liệu được yêu cầu không có trong danh mục cơ sở dữ liệu dùng chung. Tra danh mục để chọn đúng mã.",
		"en": "The database asked for is not in the catalogue of shared databases. Look up its id in the catalogue.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"purpose-missing": {
		"vi": "Yêu cầu không nêu mục đích sử dụng. Ghi rõ mục đích theo thỏa thuận chia sẻ dữ liệu.",
		"en": "The request states no purpose. State the purpose as it stands in the sharing agreement.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "Luật 91/2025/QH15"],
	},
	"no-agreement": {
		"vi": "Chưa có thỏa thuận chia sẻ dữ liệu giữa cơ quan yêu cầu và cơ quan chủ quản. Gửi đề nghị thỏa thuận đến cơ quan chủ quản.",
		"en": "No sharing agreement stands between the asking agency and the owner of the database. Propose an agreement to the owner.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-proposed": {
		"vi": "Thỏa thuận chia sẻ dữ liệu mới được đề nghị, bên kia chưa chấp thuận. Chờ hoặc đề nghị bên kia chấp thuận.",
		"en": "The sharing agreement is proposed but the other side has not accepted it. Wait for or ask for acceptance.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-terminated": {
		"vi": "Thỏa thuận chia sẻ dữ liệu đã chấm dứt hoặc đã được thay thế. Đề nghị thỏa thuận mới.",
		"en": "The sharing agreement has been terminated or replaced. Propose a new agreement.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-suspended": {
		"vi": "Thỏa thuận chia sẻ dữ liệu đang tạm ngừng. Liên hệ cơ quan chủ quản để khắc phục và mở lại.",
		"en": "The sharing agreement is suspended. Ask the owner what must be put right for it to resume.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-not-begun": {
		"vi": "Thỏa thuận chia sẻ dữ liệu chưa đến ngày có hiệu lực.",
		"en": "The sharing agreement is not in force yet.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-expired": {
		"vi": "Thỏa thuận chia sẻ dữ liệu đã hết thời hạn. Đề nghị gia hạn hoặc thỏa thuận mới.",
		"en": "The sharing agreement has expired. Propose an extension or a new agreement.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"agreement-unsound": {
		"vi": "Thỏa thuận chia sẻ dữ liệu không ở trạng thái cho phép truy cập. Liên hệ cơ quan chủ quản.",
		"en": "The sharing agreement is not in a state that permits access. Ask the owner.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"purpose": {
		"vi": "Mục đích nêu trong yêu cầu không thuộc các mục đích đã thỏa thuận. Dùng đúng mục đích hoặc đề nghị bổ sung thỏa thuận.",
		"en": "The stated purpose is not among those agreed. Use an agreed purpose or propose an amendment.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP", "Luật 91/2025/QH15"],
	},
	"operation": {
		"vi": "Phương thức khai thác không thuộc phương thức đã thỏa thuận. Dùng đúng phương thức hoặc đề nghị bổ sung thỏa thuận.",
		"en": "The way of access is not among those agreed. Use an agreed one or propose an amendment.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"fields-none": {
		"vi": "Không trường dữ liệu nào được yêu cầu thuộc phạm vi đã thỏa thuận. Yêu cầu các trường đã thỏa thuận hoặc đề nghị bổ sung.",
		"en": "None of the fields asked for is agreed. Ask for agreed fields or propose an amendment.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP", "Luật 60/2024/QH15 Đ13"],
	},
	"filter-field": {
		"vi": "Điều kiện tìm kiếm dùng trường dữ liệu mà cơ quan yêu cầu không được xem. Bỏ điều kiện đó.",
		"en": "The query filters by a field that the asking agency may not see. Remove that filter.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "Luật 91/2025/QH15"],
	},
	"owner": {
		"vi": "Cơ quan chủ quản khai thác cơ sở dữ liệu của chính mình.",
		"en": "The owner uses its own database.",
		"basis": ["NĐ 278/2025/NĐ-CP"],
	},
	"agreement": {
		"vi": "Có thỏa thuận chia sẻ dữ liệu còn hiệu lực, đúng mục đích và phương thức.",
		"en": "A sharing agreement is in force for this purpose and way of access.",
		"basis": ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"],
	},
	"field-private": {
		"vi": "Trường dữ liệu dùng riêng không được chia sẻ.",
		"en": "Fields of private use are not shared.",
		"basis": ["Luật 60/2024/QH15 Đ13"],
	},
	"field-outside": {
		"vi": "Trường dữ liệu ngoài phạm vi thỏa thuận đã bị loại khỏi kết quả.",
		"en": "Fields outside the agreement were left out of the answer.",
		"basis": ["NĐ 278/2025/NĐ-CP"],
	},
	"field-masked": {
		"vi": "Trường dữ liệu đã được che theo thỏa thuận hoặc vì là dữ liệu cá nhân nhạy cảm.",
		"en": "Fields were masked as agreed or because they are sensitive personal data.",
		"basis": ["Luật 91/2025/QH15"],
	},
}
