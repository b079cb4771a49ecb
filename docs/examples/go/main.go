// Asks Knoq's API with the session that harvester serves.  Nothing but Go's own library.
//
//	go run . /api/managed-agents/sessions
//	go run . /api/managed-agents/session '{"text": "hello"}'
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Session is what is needed of the daemon's session object; fields that are not here are ignored.
type Session struct {
	Origin     string            `json:"origin"`
	Generation int64             `json:"generation"`
	Headers    map[string]string `json:"headers"`
}

type problem struct{ Code, Detail, Hint string }

// A sign-in may be under way: the daemon makes us wait up to 60 s for it.
var harvester = &http.Client{
	Timeout: 90 * time.Second,
	Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socketPath())
		},
	},
}

// Redirects are not followed, so the cookie goes where it is sent and no further.
var site = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func socketPath() string {
	if path := os.Getenv("HARVESTER_SOCKET"); path != "" {
		return path
	}
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		runtime = "/run"
	}
	return filepath.Join(runtime, "harvester", "harvester.sock")
}

func current() (Session, error) {
	return told(harvester.Get("http://harvester/v1/session"))
}

// report says that a generation got a 401, and returns what to use in its place.
func report(generation int64) (Session, error) {
	body := fmt.Sprintf(`{"generation": %d}`, generation)
	url := "http://harvester/v1/session/report"
	return told(harvester.Post(url, "application/json", bytes.NewBufferString(body)))
}

func told(answer *http.Response, err error) (session Session, _ error) {
	if err != nil {
		return session, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var why problem
		if err := json.NewDecoder(answer.Body).Decode(&why); err != nil {
			return session, err
		}
		return session, fmt.Errorf("harvester: %s (%s): %s", why.Detail, why.Code, why.Hint)
	}
	return session, json.NewDecoder(answer.Body).Decode(&session)
}

func send(session Session, path string, body []byte) (int, []byte, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequest(method, session.Origin+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range session.Headers {
		request.Header.Set(name, value)
	}
	answer, err := site.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// ask reports a 401 and tries once more with what comes back.  The 401 came before anything was
// done, so a POST may be repeated too.
func ask(path string, body []byte) (int, []byte, error) {
	session, err := current()
	if err != nil {
		return 0, nil, err
	}
	status, text, err := send(session, path, body)
	if err != nil || status != http.StatusUnauthorized {
		return status, text, err
	}
	if session, err = report(session.Generation); err != nil {
		return 0, nil, err
	}
	return send(session, path, body)
}

func main() {
	var body []byte
	if len(os.Args) > 2 {
		body = []byte(os.Args[2])
	}
	status, text, err := ask(os.Args[1], body)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(text))
	if status >= 400 {
		fmt.Fprintln(os.Stderr, "knoq answered", status)
		os.Exit(1)
	}
}
