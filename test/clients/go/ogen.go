package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"clients/zeekcluster"

	"github.com/ogen-go/ogen/ogenerrors"
)

const url = "http://127.0.0.1:2149"

// Neither a token nor a session: the controller asks for none.
type anyone struct{}

func (anyone) BearerToken(context.Context, zeekcluster.OperationName) (zeekcluster.BearerToken, error) {
	return zeekcluster.BearerToken{}, ogenerrors.ErrSkipClientSecurity
}

func (anyone) SessionCookie(context.Context, zeekcluster.OperationName) (zeekcluster.SessionCookie, error) {
	return zeekcluster.SessionCookie{}, ogenerrors.ErrSkipClientSecurity
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func problemOf(err error) zeekcluster.Problem {
	var problem *zeekcluster.ProblemStatusCodeWithHeaders
	if !errors.As(err, &problem) {
		panic(err)
	}
	return problem.Response
}

// What a request is answered with, whether it is finished or not.
func requestOf(answer any) zeekcluster.ClusterRequest {
	switch answer := answer.(type) {
	case *zeekcluster.RequestFinishedHeaders:
		return answer.Response
	case *zeekcluster.RequestAcceptedHeaders:
		return answer.Response
	}
	panic(answer)
}

func main() {
	ctx := context.Background()
	client := must(zeekcluster.NewClient(url, anyone{}))
	wait := zeekcluster.NewOptString("wait=30")

	config := zeekcluster.ClusterConfigurationInput{
		Instances: []zeekcluster.InstanceInput{{Name: "agent-1"}},
		Nodes: []zeekcluster.ClusterNodeInput{
			{Name: "manager", Instance: "agent-1", Role: zeekcluster.ClusterRoleMANAGER},
			{Name: "logger-1", Instance: "agent-1", Role: zeekcluster.ClusterRoleLOGGER},
			{Name: "worker-1", Instance: "agent-1", Role: zeekcluster.ClusterRoleWORKER, Interface: zeekcluster.NewOptString("lo")},
		},
	}
	staged := requestOf(must(client.RequestStageConfiguration(ctx, &zeekcluster.StageConfigurationArguments{Config: config},
		zeekcluster.RequestStageConfigurationParams{Prefer: wait})))
	fmt.Println(staged.Type, staged.State)
	deployed := requestOf(must(client.RequestDeploy(ctx, zeekcluster.OptDeployArguments{},
		zeekcluster.RequestDeployParams{Prefer: wait})))
	fmt.Println(deployed.Type, deployed.State)

	roles := []zeekcluster.ClusterRole{
		zeekcluster.ClusterRoleMANAGER, zeekcluster.ClusterRoleLOGGER, zeekcluster.ClusterRoleWORKER,
	}
	for _, node := range must(client.ListNodes(ctx, zeekcluster.ListNodesParams{Role: roles})).Nodes {
		fmt.Println(node.Node, node.State)
	}

	worker := zeekcluster.NewOptRestartArguments(zeekcluster.RestartArguments{Nodes: []string{"worker-1"}})
	restart := requestOf(must(client.RequestRestart(ctx, worker, zeekcluster.RequestRestartParams{})))
	request := must(http.NewRequestWithContext(ctx, "GET", url+"/v1/requests/"+restart.Reqid+"/events", nil))
	request.Header.Set("Accept", "application/x-ndjson")
	stream := must(http.DefaultClient.Do(request))
	for decoder := json.NewDecoder(stream.Body); ; {
		var event struct{ Type, Reqid string }
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			panic(err)
		}
		if event.Type == "restart_request" || event.Type == "restart_response" {
			fmt.Println(event.Type, event.Reqid == restart.Reqid)
		}
	}
	finished := must(client.GetRequest(ctx, zeekcluster.GetRequestParams{
		Reqid: restart.Reqid, Wait: zeekcluster.NewOptFloat64(30),
	})).Response
	fmt.Println(finished.Type, finished.State)

	_, err := client.GetRequest(ctx, zeekcluster.GetRequestParams{Reqid: "nope"})
	missing := problemOf(err)
	fmt.Println(missing.Status, missing.Code)
	_, err = client.ListRequests(ctx, zeekcluster.ListRequestsParams{After: zeekcluster.NewOptString("nope")})
	wrong := problemOf(err)
	fmt.Println(wrong.Status, wrong.Code, wrong.Errors[0].Field)

	var after zeekcluster.OptString
	for range 3 {
		page := must(client.ListRequests(ctx, zeekcluster.ListRequestsParams{Limit: zeekcluster.NewOptInt(1), After: after}))
		for _, request := range page.Requests {
			fmt.Println("page", request.Type)
		}
		after = page.Next
	}
}
