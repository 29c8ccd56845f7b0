package diff

import "slices"

// changedAt says what a reader would call that which stands at the end of a way
// and differs: the content of a page, its fonts, an action.
func changedAt(at *way, page int) Code {
	var path []string
	for w := at; w != nil; w = w.up {
		path = append(path, w.key)
	}
	slices.Reverse(path)
	if len(path) > 1 && path[0] == "Root" {
		return inCatalog(path[1], path[2:], page)
	}
	switch {
	case len(path) > 0 && path[0] == "Encrypt":
		return CodeEncryption
	case len(path) > 0 && path[0] == "Info":
		return CodeInfo
	}
	return CodeChanged
}

// inCatalog names what stands below a key of the catalog (ISO 32000-2, table 29).
func inCatalog(key string, below []string, page int) Code {
	switch key {
	case "Pages":
		return inPages(below, page)
	case "AcroForm":
		if len(below) > 0 && below[0] == "Fields" {
			return CodeField
		}
		return CodeForm
	case "DSS":
		return CodeStore
	case "Metadata":
		return CodeMetadata
	case "StructTreeRoot", "MarkInfo", "RoleMap":
		return CodeStructure
	case "OCProperties":
		return CodeLayers
	case "OpenAction", "AA":
		return CodeActions
	case "Dests", "Outlines", "PageLabels":
		return CodeDestinations
	case "AF", "Collection":
		return CodeFiles
	case "Names":
		return inNames(below)
	case "Version":
		return CodeVersion
	case "ViewerPreferences", "PageMode", "PageLayout", "Lang":
		return CodeViewing
	}
	return CodeChanged
}

// inNames names what stands in the name trees (ISO 32000-2, table 32).
func inNames(below []string) Code {
	if len(below) == 0 {
		return CodeChanged
	}
	switch below[0] {
	case "JavaScript":
		return CodeActions
	case "EmbeddedFiles":
		return CodeFiles
	case "Dests":
		return CodeDestinations
	}
	return CodeChanged
}

// inPages names what stands below the page tree (ISO 32000-2, table 31).
func inPages(below []string, page int) Code {
	for i, key := range below {
		switch key {
		case "Contents":
			return CodePageContent
		case "Annots":
			return CodeAnnotation
		case "AA":
			return CodeActions
		case "MediaBox", "CropBox", "BleedBox", "TrimBox", "ArtBox", "Rotate", "UserUnit":
			return CodePageSize
		case "Resources":
			return inResources(below[i+1:])
		}
	}
	if page == 0 {
		return CodePageTree
	}
	return CodePage
}

// inResources names what a page draws with (ISO 32000-2, table 34).
func inResources(below []string) Code {
	if len(below) > 0 && below[0] == "Font" {
		return CodePageFonts
	}
	if len(below) > 0 && below[0] == "XObject" {
		return CodePagePictures
	}
	return CodePageResources
}
