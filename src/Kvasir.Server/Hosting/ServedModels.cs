using Kvasir.Models;
using Kvasir.Server.Errors;
using Kvasir.Server.Reading;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>
/// The models that clients may name: the one that the server was started with, and those of a folder, which are loaded when somebody asks
/// for them and go when nobody has for a while, or when another needs their memory. One is loaded at a time; who asks for it meanwhile
/// waits for the same load, and who goes away does not end it.
/// </summary>
internal sealed class ServedModels : IDisposable
{
    private const int MostListed = 20;
    private static readonly TimeSpan FolderPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FailurePause = TimeSpan.FromSeconds(30);
    private readonly KvasirOptions _options;
    private readonly ModelAliases _aliases;
    private readonly ModelLoader _loader;
    private readonly RequestMeter _meter;
    private readonly TimeProvider _clock;
    private readonly ModelLog _log;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly TaskCompletionSource<ServedModel?> _start = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IReadOnlyList<KnownModel> _known = [];
    private long? _folderReadAt;

    public ServedModels(IOptions<KvasirOptions> options, ModelLoader loader, RequestMeter meter, TimeProvider clock, ILogger<ServedModels> log)
    {
        (_options, _loader, _meter, _clock, _log) = (options.Value, loader, meter, clock, new ModelLog(log));
        _aliases = new ModelAliases(_options.Aliases);
        if (_options.Model.Length > 0)
        {
            var name = ServedModel.NameOf(_options.Model);
            var id = _options.ModelId ?? name;
            _known = [new KnownModel(new FoundModel(name, _options.Model, 0), id, isNamed: true, _clock) { Aliases = _aliases.Of(id) }];
        }

        ReadFolder();
        _aliases.Check([.. _known.Select(static known => known.Id)]);
    }

    /// <summary>Completes when the model is there that the server was started with, or at once where there is none; fails as its loading does.</summary>
    public Task<ServedModel?> Loaded => _start.Task;

    /// <summary>Completes with the name of a model whose engines failed three times within a minute.</summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>All that may be named.</summary>
    public IReadOnlyList<KnownModel> Known => Volatile.Read(ref _known);

    /// <summary>Those that have an engine now.</summary>
    public IReadOnlyList<ServedModel> InMemory => [.. Known.Select(static known => known.Served).OfType<ServedModel>()];

    /// <summary>What was counted of each that was ever in memory.</summary>
    public IReadOnlyList<(string Id, EngineTotals Totals)> Totals
    {
        get
        {
            lock (_lock)
            {
                return [.. _known.Where(static known => known.Served is not null || known.Past.Steps > 0)
                    .Select(static known => (known.Id, known.Served is { } served ? known.Past.With(served.Engine.Figures) : known.Past))];
            }
        }
    }

    /// <summary>The first of them.</summary>
    public ServedModel? Ready => InMemory is [var first, ..] ? first : null;

    /// <summary>Taken by whoever loads a model.</summary>
    internal SemaphoreSlim LoadTurn => _turn;

    /// <summary>Whether the request's key may use a model.</summary>
    public static bool MayUse(HttpContext context, string id) => AccessKey.Of(context)?.MayUse(id) ?? true;

    /// <summary>Begins to load what the server was started with.</summary>
    public async Task StartAsync()
    {
        try
        {
            _start.TrySetResult(Known.FirstOrDefault(static known => known.IsNamed) is { } named ? await LoadAsync(named).ConfigureAwait(false) : null);
        }
        catch (Exception problem)
        {
            _start.TrySetException(problem);
            // Whoever asks is told; nobody may have.
            _ = _start.Task.Exception;
        }
    }

    /// <summary>
    /// The model that a request names, in memory until the request has ended; one that names none means the one that the server was
    /// started with, or the only one.
    /// </summary>
    /// <exception cref="RequestException">There is none of that name, its key may not use it, it could not be loaded, or memory is short.</exception>
    public Task<ServedModel> FindAsync(HttpContext context, string? name) => ServeAsync(Keep(context, name), context.RequestAborted);

    /// <summary>The model that a request names: it does not go before the request has ended, and comes when <see cref="ServeAsync"/> is called.</summary>
    /// <exception cref="RequestException">There is none of that name, or its key may not use it.</exception>
    public KnownModel Keep(HttpContext context, string? name)
    {
        var known = Named(name);
        if (!MayUse(context, known.Id))
            throw new RequestException(ErrorKind.Forbidden, $"the key '{AccessKey.Of(context)!.Name}' may not use the model {known.Id}", "model");
        RequestRecord.Of(context).Keep(Use(known));
        return known;
    }

    /// <summary>How long a model stays behind its last request from now on; one that was named at the start stays whatever is said.</summary>
    /// <param name="time">Null for ever.</param>
    public void Stay(KnownModel known, TimeSpan? time)
    {
        lock (_lock)
            (known.HasOwnStay, known.Stay) = (true, time);
    }

    /// <summary>A model in memory, loaded if it is not there.</summary>
    /// <exception cref="RequestException">It could not be loaded, takes too long, or memory is short.</exception>
    public async Task<ServedModel> ServeAsync(KnownModel known, CancellationToken cancellation)
    {
        try
        {
            return await LoadAsync(known).WaitAsync(TimeSpan.FromSeconds(_options.LoadTimeoutSeconds), _clock, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new RequestException(ErrorKind.ModelUnavailable, $"the model {known.Id} is still loading after {_options.LoadTimeoutSeconds} s");
        }
        catch (Exception problem) when (problem is not (OperationCanceledException or RequestException))
        {
            throw NotLoaded(known);
        }
    }

    /// <summary>The model that the host's own code means, in memory until the result is disposed of.</summary>
    public async Task<(ServedModel Model, IDisposable Use)> UseAsync(CancellationToken cancellation)
    {
        var known = Named(null);
        var use = Use(known);
        try
        {
            return (await ServeAsync(known, cancellation).ConfigureAwait(false), use);
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    /// <summary>What is known under a name.</summary>
    /// <exception cref="RequestException">Nothing.</exception>
    public KnownModel Named(string? name)
    {
        if (Find(name) is { } known)
            return known;
        // Somebody may have put it there just now.
        if (_options.ModelsFolder is not null && (_folderReadAt is not { } last || _clock.GetElapsedTime(last) >= FolderPause))
        {
            ReadFolder();
            if (Find(name) is { } found)
                return found;
        }

        throw string.IsNullOrEmpty(name)
            ? new RequestException(ErrorKind.InvalidValue, $"model is missing; there are {Ids()}", "model")
            : new RequestException(ErrorKind.ModelNotFound,
                $"there is no model '{RequestValue.Short(name)}' here; there {(Known.Count == 1 ? "is" : "are")} {Ids()}", "model");
    }

    /// <summary>Reads the folder again: models that came are known from now on, and those that went are not, unless they are in memory.</summary>
    public void ReadFolder()
    {
        if (_options.ModelsFolder is not { } folder)
            return;
        lock (_lock)
        {
            _folderReadAt = _clock.GetTimestamp();
            var found = ModelFolder.Find(folder);
            var kept = _known.Where(known => known.IsNamed || known.Status is ModelStatus.Loaded or ModelStatus.Loading || found.Contains(known.Found))
                .ToList();
            foreach (var model in found.Where(model => kept.TrueForAll(known => known.Id != model.Name)))
                kept.Add(new KnownModel(model, model.Name, isNamed: false, _clock) { Aliases = _aliases.Of(model.Name) });
            Volatile.Write(ref _known, kept);
        }
    }

    /// <summary>Loads a model, unless it is there.</summary>
    /// <exception cref="RequestException">It cannot be loaded.</exception>
    public Task<ServedModel> LoadAsync(KnownModel known)
    {
        lock (_lock)
        {
            if (known.Served is { } served)
                return Task.FromResult(served);
            if (known.FailedAt is { } failed && _clock.GetElapsedTime(failed) < FailurePause)
                return Task.FromException<ServedModel>(NotLoaded(known));
            return known.Loading ??= Task.Run(() => LoadInTurnAsync(known));
        }
    }

    /// <summary>Takes a model out of memory.</summary>
    /// <returns>False where requests have it, or it is not there.</returns>
    public bool TryUnload(KnownModel known)
    {
        ServedModel? served;
        lock (_lock)
        {
            served = known.Users > 0 ? null : known.TakeOut();
            if (served is null)
                return false;
            known.HasOwnStay = false;
        }

        served.Dispose();
        _log.Unloaded(known.Id);
        return true;
    }

    /// <summary>
    /// Takes those out of memory that nobody has asked for long enough, makes a new engine where one cannot go on, and says so where one fails again and again.
    /// </summary>
    public void Tend()
    {
        foreach (var known in Known)
        {
            if (known.Until is { } until && until <= _clock.GetUtcNow())
                TryUnload(known);
            known.Faults.See(known.Past.StepFaults + (known.Served?.Engine.Figures.StepFaults ?? 0));
            if (known.IsFailing && _failed.TrySetResult(known.Id))
                _log.Failing(known.Id);
            if (known.IsBroken)
                Replace(known);
        }
    }

    /// <summary>Behind the last request: frees all that there is.</summary>
    public async Task CloseAsync()
    {
        foreach (var known in Known)
        {
            if (known.Loading is { } loading)
                await loading.ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
        }

        Dispose();
    }

    public void Dispose()
    {
        foreach (var known in Known)
        {
            var served = known.Served;
            known.Served = null;
            served?.Dispose();
        }
    }

    private string Ids() => Known.Count > 0 ? string.Join(", ", Known.Take(MostListed).Select(static model => model.Id)) : "none";

    private KnownModel? Find(string? name)
    {
        var known = Known;
        var usual = known.FirstOrDefault(static model => model.IsNamed) ?? (known.Count == 1 ? known[0] : null);
        if (string.IsNullOrEmpty(name))
            return usual;
        return known.FirstOrDefault(model => model.IsCalled(name)) ?? (_options.AnyModel ? usual : null);
    }

    private async Task<ServedModel> LoadInTurnAsync(KnownModel known)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            MakeRoom(known);
            known.Progress = 0;
            var served = _loader.Load(known);
            if (_options.Warms)
            {
                (known.IsWarming, known.Progress) = (true, 0);
                await served.WarmAsync(share => known.Progress = share).ConfigureAwait(false);
                known.IsWarming = false;
            }

            lock (_lock)
                (known.Served, known.Loading, known.FailedAt) = (served, null, null);
            _log.Loaded(known.Id, served.Model.LoadMs);
            _meter.CountLoad("loaded");
            MarkLeft(known);
            return served;
        }
        catch (Exception problem)
        {
            // Without memory now there may be some soon.
            lock (_lock)
                (known.Loading, known.FailedAt) = (null, problem is RequestException ? null : _clock.GetTimestamp());
            if (problem is not RequestException)
                _log.Failed(problem, known.Id);
            _meter.CountLoad("failed");
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    // Those that nobody has go first, whoever was left longest ago; what was named when the server started stays.
    private void MakeRoom(KnownModel wanted)
    {
        if (!_loader.SharesMemory)
            return;
        while (true)
        {
            var loaded = Known.Where(static known => known.Served is not null).ToArray();
            var free = _loader.MemoryBytes - _loader.KvBytes - loaded.Sum(static known => known.Served!.Model.Weights.Bytes);
            if (wanted.Found.Bytes <= free)
                return;
            var idle = loaded.Where(static known => known is { IsNamed: false, Users: 0 }).OrderBy(static known => known.LeftAt).ToArray();
            if (idle.Length == 0)
                throw new RequestException(ErrorKind.ModelUnavailable,
                    $"the model {wanted.Id} needs {wanted.Found.Bytes} bytes, and {Math.Max(0, free)} are free beside models in use and the KV memory");
            TryUnload(idle[0]);
        }
    }

    // What its requests have not been told they are told as it goes. Who asks from now on waits for the new one.
    private void Replace(KnownModel known)
    {
        ServedModel? served;
        lock (_lock)
            served = known.IsBroken ? known.TakeOut() : null;
        if (served is null)
            return;
        served.Dispose();
        _log.Broken(known.Id);
        LoadAsync(known).ContinueWith(static load => _ = load.Exception, TaskScheduler.Default);
    }

    private Lease Use(KnownModel known)
    {
        lock (_lock)
            (known.Users, known.Until) = (known.Users + 1, null);
        return new Lease(this, known);
    }

    private void MarkLeft(KnownModel known)
    {
        lock (_lock)
        {
            known.LeftAt = _clock.GetTimestamp();
            var stay = known.HasOwnStay ? known.Stay : TimeSpan.FromSeconds(_options.ModelKeepAliveSeconds);
            known.Until = known is { Users: 0, IsNamed: false, Served: not null } ? _clock.GetUtcNow() + stay : null;
        }
    }

    private void Leave(KnownModel known)
    {
        lock (_lock)
            known.Users--;
        MarkLeft(known);
        // Not on the thread that has answered: an engine ends with its step.
        if (known is { Users: 0, HasOwnStay: true, Stay.Ticks: 0, IsNamed: false })
            _ = Task.Run(() => TryUnload(known));
    }

    private static RequestException NotLoaded(KnownModel known) =>
        new(ErrorKind.ModelUnavailable, $"the model {known.Id} could not be loaded; the server's log says why");

    private sealed class Lease(ServedModels models, KnownModel known) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                models.Leave(known);
        }
    }
}
