using Kvasir.Server.Answers;
using Kvasir.Server.Embeddings;
using Kvasir.Server.Routes;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.OpenAi;

/// <summary>OpenAI's routes, with and without the version in front.</summary>
internal sealed class OpenAiRoutes(AnswerPath path, ModelRoutes models, TokenRoutes tokens, IOptions<KvasirOptions> options) : IDialectRoutes
{
    public void Map(RouteTable routes)
    {
        routes.Answer(path, new ChatRoute(options), "/v1/chat/completions", "/chat/completions");
        routes.Answer(path, new CompletionRoute(options), "/v1/completions", "/completions");
        routes.Answer(path, new OpenAiEmbedRoute(options), "/v1/embeddings", "/embeddings");
        routes.Post(OpenAiErrors.Shape, tokens.CountAsync, "/v1/chat/completions/input_tokens");
        routes.Get(OpenAiErrors.Shape, models.ListAsync, "/v1/models", "/models");
        routes.Get(OpenAiErrors.Shape, models.FindAsync, "/v1/models/{*id}", "/models/{*id}");
    }
}
