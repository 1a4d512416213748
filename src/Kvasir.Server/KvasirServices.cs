using Kvasir.Server.Anthropic;
using Kvasir.Server.Answers;
using Kvasir.Server.Dashboard;
using Kvasir.Server.Hosting;
using Kvasir.Server.Ollama;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Server.Responses;
using Kvasir.Server.Routes;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Kvasir.Server;

/// <summary>Kvasir as services of a host.</summary>
public static class KvasirServices
{
    // The listener has to close behind the requests, within what the host grants.
    private static readonly TimeSpan Closing = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Adds a model, its engine and an <see cref="IChatClient"/> over it. Options come from the section <c>Kvasir</c> of the configuration, and from code
    /// behind it.
    /// </summary>
    public static IHostApplicationBuilder AddKvasir(this IHostApplicationBuilder builder, Action<KvasirOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<KvasirOptions>(builder.Configuration.GetSection(KvasirOptions.Section));
        builder.Services.AddKvasir(configure);
        return builder;
    }

    /// <summary>Adds a model, its engine and an <see cref="IChatClient"/> over it, with options from code alone.</summary>
    public static IServiceCollection AddKvasir(this IServiceCollection services, Action<KvasirOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddRoutingCore();
        services.AddOptions<KvasirOptions>().Configure(options => configure?.Invoke(options)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<KvasirOptions>, OptionsCheck>();
        services.AddOptions<HostOptions>().PostConfigure<IOptions<KvasirOptions>>(static (host, own) =>
        {
            var needed = TimeSpan.FromSeconds(own.Value.DrainSeconds) + Closing;
            host.ShutdownTimeout = host.ShutdownTimeout > needed ? host.ShutdownTimeout : needed;
        });
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<ModelList>();
        services.AddSingleton<PrefixStores>();
        services.AddSingleton<ModelLoader>();
        services.AddSingleton<ServedModels>();
        services.AddSingleton(static provider => new KvasirStart(
            provider.GetRequiredService<ServedModels>(), provider.GetRequiredService<PrefixStores>(), provider.GetRequiredService<KeyRing>()));
        services.AddSingleton<RequestGate>();
        services.AddSingleton<RequestReader>();
        services.AddSingleton<PromptEncoder>();
        services.AddSingleton<AnswerWatch>();
        services.AddSingleton<AnswerPath>();
        services.AddSingleton<KeyRing>();
        services.AddSingleton<Border>();
        services.AddSingleton<RouteHandling>();
        services.AddSingleton<DialectPaths>();
        services.AddSingleton<ListenerRefusals>();
        services.AddSingleton<StateRoutes>();
        services.AddSingleton<ModelRoutes>();
        services.AddSingleton<TokenRoutes>();
        services.AddSingleton<PinnedPrompts>();
        services.AddSingleton<PrefixRoutes>();
        services.AddSingleton<MetricsRoute>();
        services.AddSingleton<PropsRoute>();
        services.AddSingleton<SlotsRoute>();
        services.AddSingleton<EventsRoute>();
        services.AddSingleton<ViewRoutes>();
        TelemetrySetup.Add(services);
        services.AddSingleton<IDialectRoutes, OwnRoutes>();
        services.AddSingleton<IDialectRoutes, DashboardRoutes>();
        services.AddSingleton<IDialectRoutes, OpenAiRoutes>();
        services.AddSingleton<IDialectRoutes, ResponsesRoutes>();
        services.AddSingleton<IDialectRoutes, AnthropicRoutes>();
        services.AddSingleton<OllamaModels>();
        services.AddSingleton<IDialectRoutes, OllamaRoutes>();
        services.AddSingleton<IChatClient, ServedChatClient>();
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>, ServedEmbeddingGenerator>();
        services.AddHostedService<EngineHost>();
        return services;
    }
}
