package control_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/control"
)

func TestRemovable(t *testing.T) {
	needed := []string{"django_session", "SESSION_*", "clearsessions", "section legacy", "endpoints", "tables of crossfade.django"}
	site := control.Site{LegacyCookie: "sessionid", Bridge: "http://monolith"}
	// split is the text of what goes, and of what stays.
	split := func(lines []string) (goes, stays string) {
		for _, line := range lines {
			if strings.HasPrefix(line, "keep: ") {
				stays += line + "\n"
			} else {
				goes += line + "\n"
			}
		}
		return goes, stays
	}
	t.Run("what has to be waited for comes first", func(t *testing.T) {
		for _, tools := range [][]string{nil, {"/admin/"}} {
			lines := control.Removable(control.Site{LegacyCookie: "sessionid", ToolPaths: tools})
			if !strings.HasPrefix(lines[0], "first: ") || !strings.Contains(lines[0], "expired") {
				t.Error(lines[0])
			}
		}
	})
	t.Run("without internal tools the legacy sessions and the bridge go", func(t *testing.T) {
		goes, stays := split(control.Removable(site))
		for _, thing := range needed {
			if !strings.Contains(goes, thing) || strings.Contains(stays, thing) {
				t.Errorf("%s does not go", thing)
			}
		}
	})
	t.Run("with internal tools whoever follows the list locks no staff out", func(t *testing.T) {
		site.ToolPaths = []string{"/admin/", "/reports/"}
		goes, stays := split(control.Removable(site))
		for _, thing := range needed {
			if strings.Contains(goes, thing) || !strings.Contains(stays, thing) {
				t.Errorf("%s does not stay", thing)
			}
		}
		if !strings.Contains(stays, "/admin/, /reports/") {
			t.Error("does not say for which tools")
		}
	})
}
