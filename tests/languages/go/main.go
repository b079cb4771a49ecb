// A client that is generated from the OpenAPI document, in use.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"harvester.example/harvesterapi"
)

func main() {
	settings := harvesterapi.NewConfiguration()
	settings.HTTPClient = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", os.Getenv("HARVESTER_SOCKET"))
		},
	}}
	harvester := harvesterapi.NewAPIClient(settings).DefaultAPI
	ctx := context.Background()

	held, _, err := harvester.GetSession(ctx).MinValidS(0).Execute()
	check(err)
	refused := harvesterapi.NewReportSessionRequest(held.Generation)
	fresh, _, err := harvester.ReportSession(ctx).ReportSessionRequest(*refused).Execute()
	check(err)
	var before, after int64 = held.Generation, fresh.Generation
	fmt.Printf("{\"before\":%d,\"after\":%d,\"verdict\":%q}\n", before, after, fresh.GetVerdict())

	_, _, err = harvester.GetSession(ctx).Profile("nobody").Execute()
	var failed *harvesterapi.GenericOpenAPIError
	if errors.As(err, &failed) {
		problem, _ := failed.Model().(harvesterapi.Problem)
		fmt.Println(problem.Code)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
