using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Routes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Ollama;

/// <summary>Ollama's routes. Those that bring files in are not built: models are files that an operator puts there.</summary>
internal sealed class OllamaRoutes(AnswerPath path, OllamaModels models, IOptions<KvasirOptions> options) : IDialectRoutes
{
    public void Map(RouteTable routes)
    {
        var errors = OllamaErrors.Shape;
        routes.Answer(path, new OllamaChatRoute(), "/api/chat");
        routes.Answer(path, new OllamaGenerateRoute(), "/api/generate");
        routes.Answer(path, new OllamaEmbedRoute(options, isOlder: false), "/api/embed");
        routes.Answer(path, new OllamaEmbedRoute(options, isOlder: true), "/api/embeddings");
        routes.Get(errors, models.TagsAsync, "/api/tags");
        routes.Get(errors, models.RunningAsync, "/api/ps");
        routes.Get(errors, OllamaModels.VersionAsync, "/api/version");
        routes.Post(errors, models.ShowAsync, "/api/show");
        routes.All(
            errors,
            static context => throw new RequestException(ErrorKind.NotBuilt, $"{context.Request.Path} is not built: models are files in the models folder"),
            "/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs/{digest}");
    }
}
