package exchange

import (
	"errors"

	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// Directory returns Active Directory, read as the account that is in use. It
// sends nothing. Close it after use.
func (x *Exchange) Directory() (*activedirectory.Directory, error) {
	if x.opt.Directory == nil {
		return nil, errors.New("no domain controller is named")
	}
	return x.directory(x.ews())
}
