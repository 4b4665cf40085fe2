package ews

import (
	"context"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// FolderResult is one folder, or why it cannot be had.
type FolderResult struct {
	Folder Folder
	Err    error
}

// FolderFields are the properties that a [Folder] can hold, with the two by
// which a change of the calendar shows cheaply: PidTagLocalCommitTimeMax and
// PidTagDeletedCountTotal ([MS-OXCFOLD] 2.2.2.2).
func FolderFields() []PropertyPath {
	return append(Fields("folder:FolderClass", "folder:ParentFolderId", "folder:DisplayName", "folder:TotalCount",
		"folder:ChildFolderCount", "folder:EffectiveRights"), CommitTimeField().Path(), DeletedCountField().Path())
}

// CommitTimeField is PidTagLocalCommitTimeMax: when anything in the folder
// changed last.
func CommitTimeField() ExtendedField { return ExtendedField{Tag: "0x670a", Type: "SystemTime"} }

// DeletedCountField is PidTagDeletedCountTotal: how many items were ever
// deleted from the folder.
func DeletedCountField() ExtendedField { return ExtendedField{Tag: "0x670b", Type: "Integer"} }

// GetFolder reads folders ([MS-OXWSFOLD] 3.1.4.6), with the fields beside
// their ids. The results are in the order of the references; none stands for
// the calendar.
func (m *Mailbox) GetFolder(ctx context.Context, fields []PropertyPath, refs ...FolderRef) ([]FolderResult, error) {
	return do(ctx, m, operation[[]FolderResult]{
		name: "GetFolder", safe: true,
		write: func(r *request) {
			r.Start("m:GetFolder")
			r.Start("m:FolderShape")
			r.Leaf("t:BaseShape", string(IDOnly))
			r.additional(fields)
			r.End()
			r.folders("m:FolderIds", refs)
			r.End()
		},
		read: func(a answer) ([]FolderResult, error) {
			return each(a, max(1, len(refs)), func(msg *wire.Element, e *Error) FolderResult {
				if e != nil {
					return FolderResult{Err: e}
				}
				for _, e := range msg.Child("Folders").Elements() {
					if f := decoded[Folder](e); f != nil {
						return FolderResult{Folder: *f}
					}
				}
				return FolderResult{Err: a.fail(CodeMalformed, "the answer leaves this folder out", nil)}
			}), nil
		},
	})
}
