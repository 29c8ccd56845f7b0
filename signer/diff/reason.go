package diff

import "github.com/antin-gov/antin/signer/cos"

// Reason is one finding: a code, the words of which whoever shows it has in the
// language of the reader, and its parameters.
type Reason struct {
	Code     Code
	Level    Level
	Revision int
	Object   string // path from the trailer, and the reference; "" for the file
	Page     int    // from 1, 0 when it belongs to no page
	Field    string // full name of the form field, "" when it is about none
	Kind     string // kind of the annotation, or key of the dictionary, of the code
	Count    int    // how many things the code counts, 0 when it counts none
}

// Code says what was found.
type Code string

// What is wrong with the file as a whole, so that programs may read it
// differently.
const (
	CodeRebuilt           Code = "cross_reference_rebuilt"
	CodeDisordered        Code = "revisions_disordered"
	CodeMisnumbered       Code = "cross_reference_misnumbered"
	CodeUnclosed          Code = "revision_unclosed"
	CodeTrailing          Code = "trailing_bytes"
	CodeTooManyRevisions  Code = "too_many_revisions"
	CodeDoubled           Code = "cross_reference_doubled"
	CodeHidden            Code = "cross_reference_hides"
	CodeKeyTwice          Code = "key_twice"
	CodeTooLarge          Code = "document_too_large"
	CodeTooMuchRewritten  Code = "too_much_rewritten"
	CodeUnreadable        Code = "object_unreadable"
	CodeCatalog           Code = "catalog_replaced"
	CodeIdentifier        Code = "identifier_changed"
	CodeEncryption        Code = "encryption_changed"
	CodeChanged           Code = "object_changed"
	CodeActions           Code = "actions_changed"
	CodeLayers            Code = "layers_changed"
	CodeDestinations      Code = "destinations_changed"
	CodeFiles             Code = "files_changed"
	CodeViewing           Code = "viewing_changed"
	CodeExtension         Code = "extension_declared"
	CodeVersion           Code = "version_changed"
	CodeVersionRaised     Code = "version_raised"
	CodeInfo              Code = "information_changed"
	CodeInfoDates         Code = "information_dates_changed"
	CodeMetadata          Code = "metadata_changed"
	CodeMetadataDates     Code = "metadata_dates_changed"
	CodeStructure         Code = "structure_changed"
	CodeStructureAdded    Code = "structure_added"
	CodeStructureForeign  Code = "structure_element_added"
	CodeStructureRemoved  Code = "structure_element_removed"
	CodeParentTree        Code = "structure_parents_changed"
	CodeStore             Code = "store_changed"
	CodeStoreAdded        Code = "validation_data_added"
	CodeStoreShrank       Code = "validation_data_removed"
	CodeStoreRelations    Code = "validation_data_unrelated"
	CodeStoreRemoved      Code = "store_removed"
	CodeStoreForeign      Code = "store_foreign_data"
	CodeStoreGrows        Code = "store_data_too_large"
	CodePages             Code = "pages_rearranged"
	CodePagesAdded        Code = "pages_added"
	CodePagesRemoved      Code = "pages_removed"
	CodePageReplaced      Code = "page_replaced"
	CodePageTree          Code = "page_tree_changed"
	CodePageVanished      Code = "page_vanished"
	CodePage              Code = "page_changed"
	CodePageSize          Code = "page_size_changed"
	CodePageContent       Code = "page_content_changed"
	CodePageResources     Code = "page_resources_changed"
	CodePageFonts         Code = "page_fonts_changed"
	CodePagePictures      Code = "page_pictures_changed"
	CodeAnnotation        Code = "annotation_changed"
	CodeAnnotationAdded   Code = "annotation_added"
	CodeAnnotationRemoved Code = "annotation_removed"
	CodeAnnotationReused  Code = "annotation_became_field"
	CodeNotComment        Code = "annotation_not_comment"
	CodeComment           Code = "comment_added"
	CodeCommentEdited     Code = "comment_edited"
	CodeCommentRemoved    Code = "comment_removed"
	CodeCommentKind       Code = "comment_kind_changed"
	CodeCommentForeign    Code = "comment_foreign_entry"
	CodeCommentPage       Code = "comment_other_page"
	CodeCommentPlace      Code = "comment_without_place"
	CodeCommentUnreadable Code = "comment_unreadable"
	CodeCommentCovers     Code = "comment_covers_page"
	CodeCommentShows      Code = "comment_shows_content"
	CodePopupLook         Code = "popup_with_look"
	CodeNoteSize          Code = "note_too_large"
	CodeForm              Code = "form_changed"
	CodeFormRemoved       Code = "form_removed"
	CodeField             Code = "field_changed"
	CodeFieldList         Code = "field_list_changed"
	CodeFieldsRemoved     Code = "fields_removed"
	CodeFieldVanished     Code = "field_vanished"
	CodeFieldKids         Code = "field_kids_changed"
	CodeFieldReused       Code = "object_became_field"
	CodeFieldAdded        Code = "field_added"
	CodeFieldName         Code = "field_name_taken"
	CodeFieldWidgets      Code = "field_kids_foreign"
	CodeFieldPicture      Code = "field_picture_unsigned"
	CodeFieldForeign      Code = "field_foreign_entry"
	CodeFieldPage         Code = "field_other_page"
	CodeEmptyField        Code = "empty_field_added"
	CodeFilled            Code = "field_filled"
	CodeFilledLocked      Code = "field_filled_locked"
	CodeFilledReadOnly    Code = "field_filled_read_only"
	CodeFilledValue       Code = "field_value_improper"
	CodeButtonSet         Code = "button_set"
	CodeLook              Code = "field_look_follows_value"
	CodeLookRemoved       Code = "field_look_removed"
	CodeLookLocked        Code = "field_look_locked"
	CodeLookDiffers       Code = "field_look_differs"
	CodeLookChanged       Code = "field_look_changed"
	CodeLookForeign       Code = "field_look_foreign_entry"
	CodeLookPicture       Code = "field_look_picture"
	CodeLookUnreadable    Code = "field_look_unreadable"
	CodeSignature         Code = "signature_added"
	CodeSignatureShown    Code = "signature_added_visibly"
	CodeSignatureReused   Code = "signature_reused"
	CodeSignatureCoverage Code = "signature_covers_other_revision"
	CodeSignedLocked      Code = "field_signed_locked"
	CodeNoSignature       Code = "field_value_no_signature"
	CodeByteRange         Code = "byte_range_malformed"
	CodeCertification     Code = "certification_added"
	CodeTimestamp         Code = "timestamp_added"
	CodeTimestampShown    Code = "timestamp_added_visibly"
)

// as is the finding with another code.
func (r Reason) as(code Code) Reason {
	r.Code = code
	return r
}

// shown is the code of a signature or time-stamp that shows on a page.
func shown(code Code) Code {
	switch code {
	case CodeSignature:
		return CodeSignatureShown
	case CodeTimestamp:
		return CodeTimestampShown
	}
	return code
}

// irregular is the code of what is wrong with the revisions of a file.
func irregular(what cos.Irregularity) Code {
	switch what {
	case cos.Disordered:
		return CodeDisordered
	case cos.Misnumbered:
		return CodeMisnumbered
	case cos.Unclosed:
		return CodeUnclosed
	}
	return CodeRebuilt
}
