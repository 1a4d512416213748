using System.Net;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Planning;
using Kvasir.Server;
using Kvasir.Server.Stores;
using Kvasir.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Cli.Serve;

/// <summary>The host of <c>kvasir serve</c>: nothing but the library's two lines, the flags, and what a person wants to see.</summary>
internal static class ServeRun
{
    // The bundled model only tells stories: it is given the words as they are.
    private const string PlainTemplate = "{{ messages[-1].content }}";

    public static int Run(Shell shell, TypedCommand typed, IReadOnlyList<string> models)
    {
        using var stopping = new CancellationTokenSource();
        var code = ExitCode.Ok;
        try
        {
            shell.Interrupts.Guard(stopping.Cancel, () => code = RunAsync(shell, typed, models, stopping.Token).GetAwaiter().GetResult());
        }
        catch (OptionsValidationException refused)
        {
            // Whoever typed them knows them as flags and files, not as a section of a configuration.
            var problems = refused.Failures.Select(static one => one.Replace($"{KvasirOptions.Section}: ", "", StringComparison.Ordinal));
            throw new KvasirException(KvasirError.BadOption, string.Join("; ", problems), refused);
        }

        return code == ExitCode.Ok ? shell.Interrupts.Code : code;
    }

    /// <summary>Waits until the server is to stop, or has failed too often to go on.</summary>
    public static async Task<int> WaitAsync(Shell shell, KvasirStart start, CancellationToken stopping)
    {
        var model = await start.Failed.WaitAsync(stopping).ConfigureAwait(false);
        shell.Note(
            $"the engine of {Printable.Line(model)} failed three times within a minute, and the server ends, so that whoever watches it starts it again");
        return ExitCode.Internal;
    }

    private static async Task<int> RunAsync(Shell shell, TypedCommand typed, IReadOnlyList<string> models, CancellationToken stopping)
    {
        var quiet = typed.Is(OutputFlags.Quiet);
        ServeListeners.Check(typed);
        if (typed.Find(ServeFlags.Socket) is { } socket)
            ServeListeners.ClearSocket(socket);
        using var log = new ServeLog(shell.Error, TimeProvider.System);
        await using var app = Build(shell, typed, models, log);
        await app.StartAsync(CancellationToken.None).ConfigureAwait(false);
        using var reload = typed.Has(ServeFlags.Keys) || typed.Has(ServeFlags.Models) ? shell.Interrupts.Reloading(() => Reload(shell, app)) : null;
        try
        {
            var name = models.Count > 0 ? string.Join(" and ", models) : typed.Has(ServeFlags.Models) ? "models" : ServeCommand.Bundled;
            using (new ProgressLine(shell, quiet, () => $"loading {Printable.Line(name)}"))
                await app.Services.GetRequiredService<KvasirStart>().Loaded.WaitAsync(stopping).ConfigureAwait(false);
            Greet(shell, app, quiet);
            log.Begin();
            return await WaitAsync(shell, app.Services.GetRequiredService<KvasirStart>(), stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            shell.Note("stopping: requests that are under way may end; Ctrl-C ends at once");
            return ExitCode.Ok;
        }
        finally
        {
            await app.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static WebApplication Build(Shell shell, TypedCommand typed, IReadOnlyList<string> models, ServeLog log)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders().AddProvider(log);
        builder.Services.AddSingleton<IHostLifetime>(new ServeLifetime());
        builder.WebHost.ConfigureKestrel(kestrel => ServeListeners.Add(kestrel, typed));
        builder.WebHost.UseSockets(ServeListeners.Configure);
        builder.AddKvasir(options => Configure(shell, options, typed, models));
        var app = builder.Build();
        app.UseKvasirErrors();
        app.MapKvasir();
        return app;
    }

    private static void Configure(Shell shell, KvasirOptions options, TypedCommand typed, IReadOnlyList<string> models)
    {
        options.ModelsFolder = typed.Find(ServeFlags.Models);
        options.MemoryBytes = typed.FindValue(ServeFlags.Memory) ?? 0;
        options.ModelKeepAliveSeconds = typed.Get(ServeFlags.ModelKeepAlive);
        options.LoadTimeoutSeconds = typed.Get(ServeFlags.LoadTimeout);
        options.Warms = !typed.Is(ServeFlags.NoWarmup);
        if (typed.Find(SyntheticFlags.Shape) is { } shape)
        {
            options.Model = shape.Name;
            options.UseModel(settings => Model.Synthetic(shape, typed.Get(SyntheticFlags.Weights), options: settings));
        }

        AddAll(options.MoreModels, models.Skip(1));
        if (models.Count > 0)
            options.Model = models[0];
        var isBundled = options.Model.Length == 0 && options.ModelsFolder is null;
        if (isBundled)
            options.Model = ServeCommand.Bundled;
        AddNames(options, typed.Find(ServeFlags.Alias));
        options.AllowsRequestTemplates = typed.Is(ServeFlags.AllowRequestTemplate);
        options.SlotsText = typed.Is(ServeFlags.SlotsText);
        options.AnyModel = typed.Is(ServeFlags.AnyModel);
        options.ChatTemplate = typed.Find(ServeFlags.ChatTemplate);
        if (isBundled && options.ChatTemplate is null)
            options.UseTemplate(ChatTemplate.Parse(PlainTemplate, "plain"));
        options.KeyFile = typed.Find(ServeFlags.Keys);
        AddAll(options.AllowedHosts, Items(typed.Find(ServeFlags.AllowedHosts)));
        AddAll(options.CorsOrigins, Items(typed.Find(ServeFlags.CorsOrigins)));
        options.Dashboard = !typed.Is(ServeFlags.NoDashboard);
        options.MetricsOpen = typed.Is(ServeFlags.MetricsOpen);
        options.OtlpEndpoint = typed.Find(ServeFlags.Otlp);
        options.RequestLog = typed.Find(ServeFlags.RequestLog);
        options.LogText = typed.Is(ServeFlags.LogText);
        options.Embeddings = typed.Is(ServeFlags.Embeddings);
        options.HidesCacheUse = typed.Is(ServeFlags.NoCacheUsage);
        options.Strict = typed.Is(ServeFlags.Strict);
        options.KeepBillingHeader = typed.Is(ServeFlags.KeepBillingHeader);
        var model = ModelFlags.Read(typed);
        (options.Repack, options.WeightsMemoryBytes, options.KvRank, options.DraftWeights) =
            (model.Repack, model.MemoryBytes, model.KvRank, model.DraftWeights);
        options.MaxChoices = typed.Get(ServeFlags.MaxChoices);
        options.KeepAliveSeconds = typed.Get(ServeFlags.KeepAlive);
        options.JsonKeepAliveSeconds = typed.Get(ServeFlags.JsonKeepAlive);
        options.WriteTimeoutSeconds = typed.Get(ServeFlags.WriteTimeout);
        options.DrainSeconds = typed.Get(ServeFlags.DrainSeconds);
        options.Attention = EngineFlags.IsAuto(typed)
            ? PlannedOptions.Read(typed)?.Chosen.Attention ?? AutoAttention.Name
            : EngineFlags.Read(typed).Attention.Name;
        if (PrefixFolder.Read(typed, isConversation: true) is var (folder, bytes))
            (options.PrefixDirectory, options.PrefixBytes) = (folder, bytes);
        options.PrefixRedis = typed.Find(ServeFlags.KvRedis);
        options.UseEngine(Planned(shell, options, typed, models));
    }

    // A plan is of one model, which is looked at before it is loaded.
    private static EngineOptions Planned(Shell shell, KvasirOptions options, TypedCommand typed, IReadOnlyList<string> models)
    {
        var engine = TurnFlags.Read(typed);
        if (PlannedOptions.Read(typed) is not { } plan)
            return engine;
        if (models.Count > 1 || typed.Has(ServeFlags.Models))
            throw new KvasirException(KvasirError.BadOption, $"{EngineFlags.Plan.Name} is a plan for one model, and several are named");
        var sizes = Sizes(options, typed);
        engine = PlannedOptions.Apply(engine, plan, typed, sizes);
        PlannedOptions.Warn(shell, typed, plan, sizes, engine.KvDirectory);
        return TurnFlags.HasSequences(typed) ? engine : engine with { MaxSequences = plan.Batch, BatchTokens = Math.Max(plan.Batch, engine.BatchTokens) };
    }

    private static ModelSizes Sizes(KvasirOptions options, TypedCommand typed)
    {
        if (typed.Find(SyntheticFlags.Shape) is { } shape)
            return ModelSizes.Of(shape, typed.Get(SyntheticFlags.Weights));
        using var model = Model.Load(options.Model, ModelFlags.Read(typed) with { Repack = false });
        return ModelSizes.Of(model);
    }

    private static void Reload(Shell shell, WebApplication app)
    {
        foreach (var clash in app.Services.GetRequiredService<KvasirStart>().ReloadModels())
            shell.Note(Printable.Line($"not served: {clash}"));
        shell.Note(app.Services.GetRequiredService<KvasirStart>().ReloadKeys() is { } problem
            ? $"the keys stay as they were: {problem}" : "the keys were read again");
    }

    private static void AddNames(KvasirOptions options, string? names)
    {
        if (names?.Contains('=') != true)
        {
            options.ModelId = names;
            return;
        }

        foreach (var pair in Items(names))
        {
            if (pair.Split('=', 2) is not [{ Length: > 0 } id, { Length: > 0 } alias] || !options.Aliases.TryAdd(alias, id))
                throw new KvasirException(KvasirError.BadOption, $"{ServeFlags.Alias.Name} has '{pair}'; ID=NAME is expected, each name once");
        }
    }

    private static string[] Items(string? text) => (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static void AddAll(IList<string> list, IEnumerable<string> items)
    {
        foreach (var item in items)
            list.Add(item);
    }

    private static void Greet(Shell shell, WebApplication app, bool quiet)
    {
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var start = app.Services.GetRequiredService<KvasirStart>();
        foreach (var line in quiet ? [] : start.Engines.Values.SelectMany(AnswerFigures.PlanLines))
            shell.Note(line);
        foreach (var line in start.Stores.Select(PrefixFolder.Note).OfType<string>())
            shell.Note(line);
        if (!quiet && start.Stores.OfType<RedisPrefixStore>().Any(static store => !store.IsSigned))
            shell.Note("note: without KVASIR_REDIS_SECRET whoever may write to the server of --kv-redis can steer answers");
        var (count, loaded) = (start.ModelIds.Count, start.Engines.Keys.ToArray());
        var served = loaded.Length > 0 ? string.Join(" and ", loaded) : $"{count} model{(count == 1 ? "" : "s")}, loaded when asked for,";
        shell.Output.WriteLine($"serving {Printable.Line(served)} at {address}");
        var named = loaded.Length != 1 && start.ModelIds is [var first, ..] ? $"\"model\":\"{first}\"," : "";
        var asked = start.Chats ? "chat/completions -d '{MODEL\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]}'"
            : "completions -d '{MODEL\"prompt\":\"Once upon a time\"}'";
        shell.Output.WriteLine($"try: curl {address}/v1/{asked.Replace("MODEL", named, StringComparison.Ordinal)}");
    }
}
