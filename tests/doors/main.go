// Calls every operation of a running system with clients that oapi-codegen makes, and prints as JSON what each answered.
//
// Standard input is JSON: `urls` of the services, `tokens` to be tried in their order until one is no 403, and the `calls` of
// each service (calls.py).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"ooc.test/doors/made/disposal"
	"ooc.test/doors/made/education"
	"ooc.test/doors/made/panel"
	"ooc.test/doors/made/referral"
	"ooc.test/doors/made/reporting"
	"ooc.test/doors/made/rj_conference"
)

type call struct {
	Operation, Method, Path string
	Where                   [][]json.RawMessage // names and values
	Query, Header           map[string]any
	Body                    json.RawMessage
	BodyMedia               string `json:"body_media"`
}

type asked struct {
	URLs   map[string]string `json:"urls"`
	Tokens []string
	Calls  map[string][]call
}

// caller sends each request with a token.
type caller struct{ token string }

func (c *caller) Do(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Access-Reason", "TEST")
	return http.DefaultClient.Do(request)
}

func clientOf(service, url string, by *caller) (any, error) {
	switch service {
	case "disposal":
		return disposal.NewClientWithResponses(url, disposal.WithHTTPClient(by))
	case "education":
		return education.NewClientWithResponses(url, education.WithHTTPClient(by))
	case "panel":
		return panel.NewClientWithResponses(url, panel.WithHTTPClient(by))
	case "referral":
		return referral.NewClientWithResponses(url, referral.WithHTTPClient(by))
	case "reporting":
		return reporting.NewClientWithResponses(url, reporting.WithHTTPClient(by))
	case "rj_conference":
		return rj_conference.NewClientWithResponses(url, rj_conference.WithHTTPClient(by))
	}
	return nil, fmt.Errorf("no client of %s is made", service)
}

// methodOf finds the generated method of an operation: command_outcome is CommandOutcomeWithResponse.
func methodOf(client reflect.Value, operation string) (reflect.Value, error) {
	plain := strings.ToLower(strings.ReplaceAll(operation, "_", ""))
	for _, ending := range []string{"withresponse", "withbodywithresponse"} {
		for n := range client.NumMethod() {
			if strings.ToLower(client.Type().Method(n).Name) == plain+ending {
				return client.Method(n), nil
			}
		}
	}
	return reflect.Value{}, fmt.Errorf("no method is made for %s", operation)
}

// arguments fills what a method takes: the context, the parts of the path, the other parameters, and the body.
func arguments(method reflect.Type, call call) ([]reflect.Value, error) {
	path := call.Where
	given := []reflect.Value{reflect.ValueOf(context.Background())}
	for n := 1; n < method.NumIn()-1; n++ {
		kind, value := method.In(n), call.Body
		switch {
		case len(path) > 0:
			value, path = path[0][1], path[1:]
		case kind.Kind() == reflect.Pointer:
			both := map[string]any{}
			for _, members := range []map[string]any{call.Query, call.Header} {
				for name, member := range members {
					both[name] = member
				}
			}
			value, _ = json.Marshal(both)
		case kind.Kind() == reflect.String:
			given = append(given, reflect.ValueOf(call.BodyMedia))
			continue
		case kind.Kind() == reflect.Interface && kind.Implements(reflect.TypeFor[io.Reader]()):
			given = append(given, reflect.ValueOf(bytes.NewReader(call.Body)))
			continue
		}
		argument := reflect.New(kind)
		if err := json.Unmarshal(value, argument.Interface()); err != nil {
			return nil, fmt.Errorf("%s %s: %w", call.Operation, kind, err)
		}
		// A union without a name of its own loses all that it was made from.
		if sent, _ := json.Marshal(argument.Interface()); string(sent) == "{}" && string(value) != "{}" {
			return nil, fmt.Errorf("%s %s: the client sends an empty object for %s", call.Operation, kind, value)
		}
		given = append(given, argument.Elem())
	}
	return given, nil
}

// kindOf names the type that an answer was read as: that of the member that is filled, empty if none is.
func kindOf(answer reflect.Value) string {
	for n := range answer.NumField() {
		member := answer.Field(n)
		name := answer.Type().Field(n).Name
		if name != "HTTPResponse" && member.Kind() == reflect.Pointer && !member.IsNil() {
			if named := member.Type().Elem().Name(); named != "" {
				return named
			}
			return "answer"
		}
	}
	if len(answer.FieldByName("Body").Bytes()) > 0 {
		return "bytes"
	}
	return ""
}

func run() error {
	var all asked
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		return err
	}
	answers := [][]any{}
	for service, calls := range all.Calls {
		by := &caller{}
		made, err := clientOf(service, all.URLs[service], by)
		if err != nil {
			return err
		}
		for _, call := range calls {
			method, err := methodOf(reflect.ValueOf(made), call.Operation)
			if err != nil {
				return err
			}
			status, kind := 0, ""
			for _, by.token = range all.Tokens {
				given, err := arguments(method.Type(), call)
				if err != nil {
					return err
				}
				returned := method.Call(given)
				if failed, _ := returned[1].Interface().(error); failed != nil {
					return fmt.Errorf("%s %s: %w", service, call.Operation, failed)
				}
				answer := returned[0].Elem()
				status = answer.FieldByName("HTTPResponse").Interface().(*http.Response).StatusCode
				kind = kindOf(answer)
				if status != http.StatusForbidden {
					break
				}
			}
			answers = append(answers, []any{service, call.Operation, status, kind})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"answers": answers})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
