package ooc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Parameter;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import ooc.client.ApiClient;
import ooc.client.ApiException;
import ooc.client.ApiResponse;

/**
 * Calls every operation of a running system with clients that OpenAPI Generator makes, and prints as JSON what each answered.
 *
 * <p>Standard input is JSON: {@code urls} of the services, {@code tokens} to be tried in their order until one is no 403, and the
 * {@code calls} of each service (calls.py).
 */
final class EveryOperation {
  private static final ObjectMapper JSON = ApiClient.createDefaultObjectMapper();

  private record Answer(int status, String kind) {}

  public static void main(String[] arguments) throws Exception {
    JsonNode asked = JSON.readTree(System.in);
    List<List<Object>> answers = new ArrayList<>();
    for (Map.Entry<String, JsonNode> service : asked.get("calls").properties()) {
      String name = service.getKey();
      for (JsonNode call : service.getValue()) {
        Answer answer = null;
        for (JsonNode token : asked.get("tokens")) {
          answer = answerTo(call, name, clientOf(asked.get("urls").get(name).asText(), token.asText()));
          if (answer.status() != 403) {
            break;
          }
        }
        answers.add(List.of(name, call.get("operation").asText(), answer.status(), answer.kind()));
      }
    }
    JSON.writeValue(System.out, Map.of("answers", answers));
  }

  private static ApiClient clientOf(String url, String token) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(url);
    client.setRequestInterceptor(
        request -> request.setHeader("Authorization", "Bearer " + token).setHeader("Access-Reason", "TEST"));
    return client;
  }

  private static Answer answerTo(JsonNode call, String service, ApiClient client) throws Exception {
    Method method = methodOf(service, camel(call.get("operation").asText()) + "WithHttpInfo");
    int[] status = new int[1];
    client.setResponseInterceptor(response -> status[0] = response.statusCode());
    Object api = method.getDeclaringClass().getConstructor(ApiClient.class).newInstance(client);
    try {
      ApiResponse<?> answer = (ApiResponse<?>) method.invoke(api, arguments(method, call));
      return new Answer(answer.getStatusCode(), answer.getData() == null ? "" : answer.getData().getClass().getSimpleName());
    } catch (InvocationTargetException failed) {
      if (status[0] / 100 == 2 && !call.get("media").asText().endsWith("json")) {
        return new Answer(status[0], "text"); // this client reads JSON alone
      }
      if (!(failed.getCause() instanceof ApiException refused) || refused.getCode() == 0) {
        throw failed;
      }
      Class<?> problem = Class.forName("ooc." + service + ".model.Problem");
      return new Answer(refused.getCode(), JSON.readValue(refused.getResponseBody(), problem).getClass().getSimpleName());
    }
  }

  /** Finds the generated method of an operation that takes no headers of the caller's own. */
  private static Method methodOf(String service, String name) throws Exception {
    try (JarFile made = new JarFile(EveryOperation.class.getProtectionDomain().getCodeSource().getLocation().getPath())) {
      String folder = "ooc/" + service + "/api/";
      for (JarEntry entry : made.stream().filter(entry -> entry.getName().matches(folder + "\\w+\\.class")).toList()) {
        Class<?> api = Class.forName(entry.getName().replace(".class", "").replace('/', '.'));
        for (Method method : api.getMethods()) {
          Class<?>[] kinds = method.getParameterTypes();
          if (method.getName().equals(name) && (kinds.length == 0 || kinds[kinds.length - 1] != Map.class)) {
            return method;
          }
        }
      }
    }
    throw new IllegalStateException("no method " + name + " is made for " + service);
  }

  /** Fills what a method takes by the names of its parameters; the one that no part of the request has is the body. */
  private static Object[] arguments(Method method, JsonNode call) throws Exception {
    Map<String, JsonNode> given = new HashMap<>();
    call.get("where").forEach(pair -> given.put(camel(pair.get(0).asText()), pair.get(1)));
    call.get("query").properties().forEach(member -> given.put(camel(member.getKey()), member.getValue()));
    call.get("header").properties().forEach(member -> given.put(camel(member.getKey()), member.getValue()));
    List<Object> values = new ArrayList<>();
    for (Parameter parameter : method.getParameters()) {
      JsonNode value = given.remove(parameter.getName().replaceFirst("^_", ""));
      boolean body = value == null && parameter.isAnnotationPresent(jakarta.annotation.Nonnull.class);
      values.add(typed(body ? call.get("body") : value, parameter));
    }
    if (!given.isEmpty()) {
      throw new IllegalStateException(method + " takes no " + given.keySet());
    }
    return values.toArray();
  }

  private static Object typed(JsonNode value, Parameter parameter) throws Exception {
    if (value == null || parameter.getType() == File.class) {
      return value == null ? null : Files.writeString(Files.createTempFile("sent", ""), value.asText()).toFile();
    }
    Object argument = JSON.readValue(JSON.treeAsTokens(value), JSON.constructType(parameter.getParameterizedType()));
    if (value.isObject() && !value.isEmpty() && JSON.valueToTree(argument).isEmpty()) {
      throw new IllegalStateException("the client sends an empty object as " + parameter + " for " + value);
    }
    return argument;
  }

  private static String camel(String name) {
    StringBuilder made = new StringBuilder();
    for (String word : name.split("[_-]")) {
      made.append(made.isEmpty() ? word.substring(0, 1).toLowerCase() : word.substring(0, 1).toUpperCase()).append(word.substring(1));
    }
    return made.toString();
  }
}
