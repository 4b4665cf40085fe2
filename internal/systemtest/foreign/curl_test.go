package foreign

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const curl = "/usr/bin/curl"

const getFolder = `<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">
 <soap:Header><t:RequestServerVersion Version="Exchange2013_SP1"/></soap:Header>
 <soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>
  <m:FolderIds><t:DistinguishedFolderId Id="calendar"/></m:FolderIds></m:GetFolder></soap:Body>
</soap:Envelope>`

// TestCurl has curl sign in by each scheme that it has, rightly and wrongly.
func TestCurl(t *testing.T) {
	t.Parallel()
	need(t, "curl", curl)
	for _, scheme := range []string{"basic", "ntlm"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			s := startSimulator(t, "--tls", "--auth", scheme)
			dir := t.TempDir()
			body := write(t, dir, "getfolder.xml", getFolder)
			post := func(secret string) (status, answer string) {
				out := filepath.Join(dir, "answer.xml")
				c := exec.Command(curl, "-q", "--silent", "--show-error", "--noproxy", "*", "--cacert", s.ca, "--"+scheme, "--user", user(1)+":"+secret,
					"--header", "Content-Type: text/xml; charset=utf-8", "--data-binary", "@"+body, "--output", out, "--write-out", "%{http_code}", s.url)
				c.Env = environment("HOME=" + dir)
				return run(t, c), read(t, out)
			}
			if status, answer := post(password); status != "200" || !strings.Contains(answer, `ResponseClass="Success"`) || !strings.Contains(answer, ">Calendar<") {
				t.Errorf("operation GetFolder: status %s\n%s", status, answer)
			}
			if status, answer := post("wrong"); status != "401" || strings.Contains(answer, "Success") {
				t.Errorf("operation GetFolder with a wrong password: status %s\n%s", status, answer)
			}
		})
	}
}
