import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.RequestsApi;
import org.openapitools.client.api.StateApi;
import org.openapitools.client.model.*;

public class Program {
  interface Call {
    void run() throws ApiException;
  }

  static Problem problemOf(ApiClient client, Call call) throws Exception {
    try {
      call.run();
    } catch (ApiException error) {
      return client.getObjectMapper().readValue(error.getResponseBody(), Problem.class);
    }
    throw new AssertionError("there is no problem");
  }

  public static void main(String[] args) throws Exception {
    var url = "http://127.0.0.1:2149";
    var client = new ApiClient();
    client.updateBaseUri(url);
    var requests = new RequestsApi(client);
    var mapper = client.getObjectMapper();

    var config = new ClusterConfigurationInput()
        .addInstancesItem(new InstanceInput().name("agent-1"))
        .addNodesItem(new ClusterNodeInput().name("manager").instance("agent-1").role(ClusterRole.MANAGER))
        .addNodesItem(new ClusterNodeInput().name("logger-1").instance("agent-1").role(ClusterRole.LOGGER))
        .addNodesItem(
            new ClusterNodeInput().name("worker-1").instance("agent-1").role(ClusterRole.WORKER)._interface("lo"));
    var staged = requests.requestStageConfiguration(
        new StageConfigurationArguments().config(config), null, "wait=30", null, null);
    System.out.println(staged.getType() + " " + staged.getState());
    var deployed = requests.requestDeploy(null, "wait=30", null, null, new DeployArguments());
    System.out.println(deployed.getType() + " " + deployed.getState());

    var roles = List.of(ClusterRole.MANAGER, ClusterRole.LOGGER, ClusterRole.WORKER);
    for (var node : new StateApi(client).listNodes(null, roles, null, null, null).getNodes()) {
      System.out.println(node.getNode() + " " + node.getState());
    }

    var restart = requests.requestRestart(null, null, null, new RestartArguments().addNodesItem("worker-1"));
    var stream = HttpRequest.newBuilder(URI.create(url + "/v1/requests/" + restart.getReqid() + "/events"))
        .header("Accept", "application/x-ndjson")
        .build();
    var lines = HttpClient.newHttpClient().send(stream, BodyHandlers.ofLines()).body();
    for (var line : (Iterable<String>) lines::iterator) {
      var event = mapper.readTree(line);
      var type = event.get("type").asText();
      if (type.equals("restart_request") || type.equals("restart_response")) {
        System.out.println(type + " " + event.get("reqid").asText().equals(restart.getReqid()));
      }
    }
    var finished = requests.getRequest(restart.getReqid(), BigDecimal.valueOf(30));
    System.out.println(finished.getType() + " " + finished.getState());

    var missing = problemOf(client, () -> requests.getRequest("nope", null));
    System.out.println(missing.getStatus() + " " + missing.getCode());
    var wrong = problemOf(client, () -> requests.listRequests(null, null, null, "nope"));
    System.out.println(wrong.getStatus() + " " + wrong.getCode() + " " + wrong.getErrors().get(0).getField());

    String after = null;
    for (var pages = 0; pages < 3; pages++) {
      var page = requests.listRequests(null, null, 1, after);
      for (var request : page.getRequests()) System.out.println("page " + request.getType());
      after = page.getNext();
    }
  }
}
