using Kvasir.Server.OpenAi;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary>Routes that are no dialect's.</summary>
internal sealed class OwnRoutes(StateRoutes state, TokenRoutes tokens, ModelRoutes models, PrefixRoutes prefixes, ViewRoutes views) : IDialectRoutes
{
    public void Map(RouteTable routes)
    {
        routes.GetOpen(OpenAiErrors.Shape, state.HealthAsync, "/health");
        routes.GetOpen(OpenAiErrors.Shape, state.ReadyAsync, "/ready", "/v1/health");
        routes.Post(OpenAiErrors.Shape, tokens.TokenizeAsync, "/tokenize");
        routes.Post(OpenAiErrors.Shape, tokens.DetokenizeAsync, "/detokenize");
        routes.Post(OpenAiErrors.Shape, tokens.ApplyTemplateAsync, "/apply-template");
        routes.Post(OpenAiErrors.Shape, models.LoadAsync, "/kvasir/models/load");
        routes.Post(OpenAiErrors.Shape, models.UnloadAsync, "/kvasir/models/unload");
        routes.Several(
            OpenAiErrors.Shape, "/kvasir/prefixes",
            (HttpMethods.Get, prefixes.ListAsync), (HttpMethods.Head, prefixes.ListAsync), (HttpMethods.Post, prefixes.PinAsync));
        routes.Several(OpenAiErrors.Shape, "/kvasir/prefixes/{id}", (HttpMethods.Delete, prefixes.UnpinAsync));
        views.Map(routes);
    }
}
