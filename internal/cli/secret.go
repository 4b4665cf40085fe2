package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const maxSecret = 64 << 10

// readSecret reads a secret from the file that the configuration names under
// key, or else from the systemd credential of that name. One line end at its end
// is not part of it.
func readSecret(env *environment, key, file, credential string) (string, error) {
	if file == "" {
		dir := env.getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", fmt.Errorf("%s is missing: name a file that holds it, or give the systemd credential %s", key, credential)
		}
		file = filepath.Join(dir, credential)
	}
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxSecret {
		return "", fmt.Errorf("%s: %s is larger than any secret; is it the right file?", key, file)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: there is no file %s; write the secret into it, readable for this user only", key, file)
	case err != nil:
		return "", fmt.Errorf("%s: %s cannot be read: %s", key, file, plain(err))
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty", key, file)
	}
	return secret, nil
}

// userAgent is how the connector names itself to Exchange, whose administrator
// may admit programs by it.
const userAgent = "Koyomi"

// exchangeCredential is the systemd credential of the service account's
// password.
const exchangeCredential = "exchange-password"
