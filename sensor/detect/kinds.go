package detect

// Kind is a detector: what its findings are called and what they mean.
type Kind struct {
	// SID is the number of its alerts.
	SID int
	// Name is what the configuration and the records call it.
	Name string
	// Vi and En are the alert's title.
	Vi, En string
	// Category is Suricata's description of a class; Technique is ATT&CK's.
	Category, Technique string
	// Severity is EVE's: 1 is the most severe.
	Severity int
}

// Titles of Suricata's classes (classification.config).
const (
	classScan   = "Detection of a Network Scan"
	classC2     = "Malware Command and Control Activity Detected"
	classTrojan = "A Network Trojan was detected"
	classGuess  = "Unsuccessful User Privilege Gain"
	classLeak   = "Large Scale Information Leak"
	classClear  = "Sensitive Data was Transmitted Across the Network"
	classBad    = "Potentially Bad Traffic"
	classPolicy = "Potential Corporate Privacy Violation"
)

// The detectors. Numbers stand in stored alerts: they never change.
func portScan() Kind {
	return Kind{1, "port_scan", "Dò quét cổng", "Port scan", classScan, "T1046", 2}
}
func hostScan() Kind {
	return Kind{2, "host_scan", "Dò quét máy", "Host scan", classScan, "T1018", 2}
}
func bruteForce() Kind {
	return Kind{3, "brute_force", "Dò mật khẩu", "Brute force log-in", classGuess, "T1110", 1}
}
func beacon() Kind {
	return Kind{4, "beacon", "Kết nối định kỳ ra ngoài", "Beacon", classC2, "T1071", 2}
}
func dnsTunnel() Kind {
	return Kind{5, "dns_tunnel", "Đường hầm DNS", "DNS tunnel", classC2, "T1071.004", 1}
}
func dga() Kind {
	return Kind{6, "dga", "Tên miền sinh tự động", "Generated domain names", classTrojan, "T1568.002", 1}
}
func longConnection() Kind {
	return Kind{7, "long_connection", "Kết nối kéo dài", "Long connection", classBad, "T1572", 3}
}
func outlier() Kind {
	return Kind{8, "volume_outlier", "Lượng dữ liệu ra ngoài bất thường", "Upload out of proportion", classLeak, "T1048", 1}
}
func newDevice() Kind {
	return Kind{9, "new_device", "Thiết bị mới", "New device", classPolicy, "T1200", 3}
}
func newService() Kind {
	return Kind{10, "new_service", "Dịch vụ mới", "New service", classPolicy, "T1133", 3}
}
func clearPassword() Kind {
	return Kind{11, "cleartext_password", "Mật khẩu không mã hoá", "Password in clear", classClear, "T1040", 2}
}
func certificateExpired() Kind {
	return Kind{12, "certificate_expired", "Chứng thư ngoài thời hạn", "Certificate out of its time", classBad, "T1587.003", 3}
}
func certificateForeign() Kind {
	return Kind{13, "certificate_foreign", "Chứng thư lạ trong Metronet", "Foreign certificate inside the Metronet", classBad, "T1557", 3}
}
func certificateNotOurs() Kind {
	return Kind{14, "certificate_not_ours", "Chứng thư không do CA của tỉnh cấp", "Certificate not from the required authority", classBad, "T1557", 2}
}
func agencyTraffic() Kind {
	return Kind{15, "agency_traffic", "Lưu lượng giữa các cơ quan không có thoả thuận", "Traffic between agencies without agreement", classPolicy, "T1021", 2}
}
func linkLoad() Kind {
	return Kind{16, "link_utilisation", "Đường truyền quá tải", "Link over its limit", classBad, "T1498", 3}
}

// Kinds returns all detectors by number.
func Kinds() []Kind {
	return []Kind{
		portScan(), hostScan(), bruteForce(), beacon(), dnsTunnel(), dga(), longConnection(), outlier(), newDevice(),
		newService(), clearPassword(), certificateExpired(), certificateForeign(), certificateNotOurs(), agencyTraffic(), linkLoad(),
	}
}
