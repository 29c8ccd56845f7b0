package dnp3

// Octets of flags (annex A).
var (
	binaryFlags = []field{
		{"online", bits, 1}, {"restart", bits, 1}, {"comm_lost", bits, 1}, {"remote_forced", bits, 1},
		{"local_forced", bits, 1}, {"chatter_filter", bits, 1}, {"reserved", bits, 1}, {"state", bits, 1},
	}
	doubleFlags = []field{
		{"online", bits, 1}, {"restart", bits, 1}, {"comm_lost", bits, 1}, {"remote_forced", bits, 1},
		{"local_forced", bits, 1}, {"chatter_filter", bits, 1}, {"state", bits, 2},
	}
	outputFlags = []field{
		{"online", bits, 1}, {"restart", bits, 1}, {"comm_lost", bits, 1}, {"remote_forced", bits, 1},
		{"local_forced", bits, 1}, {"reserved0", bits, 1}, {"reserved1", bits, 1}, {"state", bits, 1},
	}
	counterFlags = []field{
		{"online", bits, 1}, {"restart", bits, 1}, {"comm_lost", bits, 1}, {"remote_forced", bits, 1},
		{"local_forced", bits, 1}, {"rollover", bits, 1}, {"discontinuity", bits, 1}, {"reserved0", bits, 1},
	}
	analogFlags = []field{
		{"online", bits, 1}, {"restart", bits, 1}, {"comm_lost", bits, 1}, {"remote_forced", bits, 1},
		{"local_forced", bits, 1}, {"over_range", bits, 1}, {"reference_err", bits, 1}, {"reserved0", bits, 1},
	}
	commandFlags = []field{{"status_code", bits, 7}, {"commanded_state", bits, 1}}
	control      = []field{
		{"op_type", bits, 4}, {"qu", bits, 1}, {"cr", bits, 1}, {"tcc", bits, 2}, {"count", unsigned, 1},
		{"ontime", unsigned, 4}, {"offtime", unsigned, 4}, {"status_code", bits, 7}, {"reserved", bits, 1},
	}
)

// Values.
var (
	count32   = []field{{"count", unsigned, 4}}
	count16   = []field{{"count", unsigned, 2}}
	value32   = []field{{"value", signed, 4}}
	value16   = []field{{"value", signed, 2}}
	float32s  = []field{{"value", float, 4}}
	float64s  = []field{{"value", float, 8}}
	stamp     = []field{{"timestamp", unsigned, 6}}
	status    = []field{{"status_code", unsigned, 1}}
	controlAt = []field{{"control_status", unsigned, 1}}
	oneBit    = []field{{"state", packed, 1}}
	twoBits   = []field{{"state", packed, 2}}
)

// layouts are the standard's objects (annex A) by group and variation.
var layouts = map[[2]uint8]layout{
	{1, 1}: {oneBit}, {1, 2}: {binaryFlags},
	{2, 1}: {{{"state", unsigned, 1}}}, {2, 2}: {binaryFlags, stamp}, {2, 3}: {binaryFlags, {{"timestamp", unsigned, 2}}},
	{3, 1}: {twoBits}, {3, 2}: {doubleFlags},
	{4, 1}: {doubleFlags}, {4, 2}: {doubleFlags, stamp}, {4, 3}: {doubleFlags, {{"relative_time_ms", unsigned, 2}}},
	{10, 1}: {oneBit}, {10, 2}: {outputFlags},
	{11, 1}: {outputFlags}, {11, 2}: {outputFlags, stamp},
	{12, 1}: {control}, {12, 2}: {control}, {12, 3}: {{{"point", packed, 1}}},
	{13, 1}: {commandFlags}, {13, 2}: {commandFlags, stamp},

	{20, 1}: {counterFlags, count32}, {20, 2}: {counterFlags, count16}, {20, 3}: {counterFlags, count32},
	{20, 4}: {counterFlags, count16}, {20, 5}: {count32}, {20, 6}: {count16}, {20, 7}: {count32}, {20, 8}: {count16},
	{21, 1}: {counterFlags, count32}, {21, 2}: {counterFlags, count16}, {21, 3}: {counterFlags, count32},
	{21, 4}: {counterFlags, count16}, {21, 5}: {counterFlags, count32, stamp}, {21, 6}: {counterFlags, count16, stamp},
	{21, 7}: {counterFlags, count32, stamp}, {21, 8}: {counterFlags, count16, stamp}, {21, 9}: {count32}, {21, 10}: {count16},
	{21, 11}: {count32}, {21, 12}: {count16},
	{22, 1}: {counterFlags, count32}, {22, 2}: {counterFlags, count16}, {22, 3}: {counterFlags, count32},
	{22, 4}: {counterFlags, count16}, {22, 5}: {counterFlags, count32, stamp}, {22, 6}: {counterFlags, count16, stamp},
	{22, 7}: {counterFlags, count32, stamp}, {22, 8}: {counterFlags, count16, stamp},
	{23, 1}: {counterFlags, count32}, {23, 2}: {counterFlags, count16}, {23, 3}: {counterFlags, count32},
	{23, 4}: {counterFlags, count16}, {23, 5}: {counterFlags, count32, stamp}, {23, 6}: {counterFlags, count16, stamp},
	{23, 7}: {counterFlags, count32, stamp}, {23, 8}: {counterFlags, count16, stamp},

	{30, 1}: {analogFlags, value32}, {30, 2}: {analogFlags, value16}, {30, 3}: {value32}, {30, 4}: {value16},
	{30, 5}: {analogFlags, float32s}, {30, 6}: {analogFlags, float64s},
	{31, 1}: {analogFlags, value32}, {31, 2}: {analogFlags, value16}, {31, 3}: {analogFlags, value32, stamp},
	{31, 4}: {analogFlags, value16, stamp}, {31, 5}: {value32}, {31, 6}: {value16}, {31, 7}: {analogFlags, float32s},
	{31, 8}: {analogFlags, float64s},
	{32, 1}: {analogFlags, value32}, {32, 2}: {analogFlags, value16}, {32, 3}: {analogFlags, value32, stamp},
	{32, 4}: {analogFlags, value16, stamp}, {32, 5}: {analogFlags, float32s}, {32, 6}: {analogFlags, float64s},
	{32, 7}: {analogFlags, float32s, stamp}, {32, 8}: {analogFlags, float64s, stamp},
	{33, 1}: {analogFlags, value32}, {33, 2}: {analogFlags, value16}, {33, 3}: {analogFlags, value32, stamp},
	{33, 4}: {analogFlags, value16, stamp}, {33, 5}: {analogFlags, float32s}, {33, 6}: {analogFlags, float64s},
	{33, 7}: {analogFlags, float32s, stamp}, {33, 8}: {analogFlags, float64s, stamp},
	{34, 1}: {{{"deadband_value", unsigned, 2}}}, {34, 2}: {{{"deadband_value", unsigned, 4}}}, {34, 3}: {{{"deadband_value", float, 4}}},

	{40, 1}: {analogFlags, value32}, {40, 2}: {analogFlags, value16}, {40, 3}: {analogFlags, float32s},
	{40, 4}: {analogFlags, float64s},
	{41, 1}: {value32, controlAt}, {41, 2}: {value16, controlAt}, {41, 3}: {float32s, controlAt}, {41, 4}: {float64s, controlAt},
	{42, 1}: {analogFlags, value32}, {42, 2}: {analogFlags, value16}, {42, 3}: {analogFlags, value32, stamp},
	{42, 4}: {analogFlags, value16, stamp}, {42, 5}: {analogFlags, float32s}, {42, 6}: {analogFlags, float64s},
	{42, 7}: {analogFlags, float32s, stamp}, {42, 8}: {analogFlags, float64s, stamp},
	{43, 1}: {status, value32}, {43, 2}: {status, value16}, {43, 3}: {status, value32, stamp}, {43, 4}: {status, value16, stamp},
	{43, 5}: {status, float32s}, {43, 6}: {status, float64s}, {43, 7}: {status, float32s, stamp}, {43, 8}: {status, float64s, stamp},

	{50, 1}: {stamp}, {50, 2}: {stamp, {{"interval", unsigned, 4}}}, {50, 3}: {stamp},
	{50, 4}: {stamp, {{"interval_count", unsigned, 4}, {"interval_units", unsigned, 1}}},
	{51, 1}: {stamp}, {51, 2}: {stamp},
	{52, 1}: {{{"delay_secs", unsigned, 2}}}, {52, 2}: {{{"delay_ms", unsigned, 2}}},
	{60, 1}: {}, {60, 2}: {}, {60, 3}: {}, {60, 4}: {},

	{70, 2}: {{
		{"username_offset", unsigned, 2}, {"username_size", unsigned, 2}, {"password_offset", unsigned, 2},
		{"password_size", unsigned, 2}, {"authentication_key", unsigned, 4},
	}},
	{70, 3}: {{
		{"filename_offset", unsigned, 2}, {"filename_size", unsigned, 2}, {"created", unsigned, 6}, {"permissions", unsigned, 2},
		{"authentication_key", unsigned, 4}, {"file_size", unsigned, 4}, {"operational_mode", unsigned, 2},
		{"maximum_block_size", unsigned, 2}, {"request_id", unsigned, 2}, {"filename", text, 0},
	}},
	{70, 4}: {{
		{"file_handle", unsigned, 4}, {"file_size", unsigned, 4}, {"maximum_block_size", unsigned, 2}, {"request_id", unsigned, 2},
		{"status_code", unsigned, 1}, {"optional_text", text, 0},
	}},
	{70, 5}: {{{"file_handle", unsigned, 4}, {"block_number", unsigned, 4}, {"file_data", text, 0}}},
	{70, 6}: {{{"file_handle", unsigned, 4}, {"block_number", unsigned, 4}, {"status_code", unsigned, 1}, {"optional_text", text, 0}}},
	{70, 7}: {{
		{"filename_offset", unsigned, 2}, {"filename_size", unsigned, 2}, {"file_type", unsigned, 2}, {"file_size", unsigned, 4},
		{"created_timestamp", unsigned, 6}, {"permissions", unsigned, 2}, {"request_id", unsigned, 2}, {"filename", text, 0},
	}},
	{70, 8}: {{{"file_specification", text, 0}}},

	{80, 1}:  {oneBit},
	{81, 1}:  {{{"fill_percentage", unsigned, 1}, {"group", unsigned, 1}, {"variation", unsigned, 1}}},
	{82, 1}:  {{{"vendor", unsigned, 4}, {"object_id", unsigned, 2}, {"length", unsigned, 2}, {"data_objects", opaque, 0}}},
	{83, 1}:  {{{"vendor_code", unsigned, 4}, {"object_id", unsigned, 2}, {"length", unsigned, 2}, {"data_objects", opaque, 0}}},
	{90, 1}:  {{{"application_id", text, 0}}},
	{101, 1}: {{{"data", unsigned, 2}}}, {101, 2}: {{{"data", unsigned, 4}}}, {101, 3}: {{{"data", unsigned, 8}}},
	{102, 1}: {{{"value", unsigned, 1}}},

	{120, 1}: {{{"csq", unsigned, 4}, {"usr", unsigned, 2}, {"mal", unsigned, 1}, {"reason", unsigned, 1}, {"challenge_data", opaque, 0}}},
	{120, 2}: {{{"csq", unsigned, 4}, {"usr", unsigned, 2}, {"mac_value", opaque, 0}}},
	{120, 3}: {{{"csq", unsigned, 4}, {"user_number", unsigned, 2}}},
	{120, 4}: {{{"user_number", unsigned, 2}}},
	{120, 5}: {{
		{"ksq", unsigned, 4}, {"user_number", unsigned, 2}, {"key_wrap_alg", unsigned, 1}, {"key_status", unsigned, 1},
		{"mal", unsigned, 1}, {"challenge_data_len", unsigned, 2}, {"challenge_data", opaque, 0},
	}},
	{120, 6}: {{{"ksq", unsigned, 4}, {"usr", unsigned, 2}, {"wrapped_key_data", opaque, 0}}},
	{120, 7}: {{
		{"sequence_number", unsigned, 4}, {"usr", unsigned, 2}, {"association_id", unsigned, 2}, {"error_code", unsigned, 1},
		{"time_of_error", unsigned, 6}, {"error_text", text, 0},
	}},
	{120, 8}: {{{"key_change_method", unsigned, 1}, {"certificate_type", unsigned, 1}, {"certificate", opaque, 0}}},
	{120, 9}: {{{"mac_value", opaque, 0}}},
	{121, 1}: {outputFlags, {{"association_id", unsigned, 2}}, count32},
	{122, 1}: {counterFlags, {{"association_id", unsigned, 2}}, count32},
	{122, 2}: {counterFlags, {{"association_id", unsigned, 2}}, count32, stamp},
}
