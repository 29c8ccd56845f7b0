package validate

// Label is the word for a value or a part of a report in the language, as the
// text report has it; an unknown key comes back as it is.
func Label(lang Lang, key string) string { return label(lang, key) }
