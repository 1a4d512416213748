using Kvasir.Models;
using Kvasir.Server.Errors;
using Kvasir.Server.Reading;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>Which models clients may name: those that the server was started with, first, and those of a folder.</summary>
internal sealed class ModelList
{
    private const int MostListed = 20;
    private static readonly TimeSpan FolderPause = TimeSpan.FromSeconds(5);
    private readonly KvasirOptions _options;
    private readonly ModelAliases _aliases;
    private readonly TimeProvider _clock;
    private readonly ModelLog _log;
    private readonly Lock _lock = new();
    private IReadOnlyList<KnownModel> _all;
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private long? _folderReadAt;

    /// <exception cref="KvasirException">One of those that were named is not there, two would be called the same, or an alias is of none.</exception>
    public ModelList(IOptions<KvasirOptions> options, TimeProvider clock, ILogger<ModelList> log)
    {
        (_options, _aliases, _clock, _log) = (options.Value, new ModelAliases(options.Value.Aliases), clock, new ModelLog(log));
        _all = [.. _options.Named.Select((name, i) => New(name, isFirst: i == 0))];
        CheckNames();
        if (ReadFolder() is [var clash, ..])
            throw new KvasirException(KvasirError.BadOption, clash);
        _aliases.Check([.. _all.Select(static known => known.Id)]);
    }

    public IReadOnlyList<KnownModel> All => Volatile.Read(ref _all);

    /// <summary>Those that the server was started with, as they were named.</summary>
    public IEnumerable<KnownModel> Named => All.Where(static known => known.IsNamed);

    /// <summary>
    /// What is known under a name; and where a request gives none, the model that the server was started with, if that is one, or the only one that there is.
    /// </summary>
    /// <exception cref="RequestException">Nothing.</exception>
    public KnownModel Get(string? name)
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
            : new RequestException(
                ErrorKind.ModelNotFound, $"there is no model '{RequestValue.Short(name)}' here; there {(All.Count == 1 ? "is" : "are")} {Ids()}", "model");
    }

    /// <summary>Reads the folder again: models that came are known from now on, and those that went are not, unless they are in memory.</summary>
    /// <returns>Why some that lie there are not served: one that was named, or an alias, is called as they.</returns>
    public IReadOnlyList<string> ReadFolder()
    {
        if (_options.ModelsFolder is not { } folder)
            return [];
        lock (_lock)
        {
            _folderReadAt = _clock.GetTimestamp();
            var found = ModelFolder.Find(folder);
            var kept = _all.Where(known => known.IsNamed || known.Status is ModelStatus.Loaded or ModelStatus.Loading || found.Contains(known.Found))
                .ToList();
            var clashes = new List<string>();
            // Those that were named may be files of the folder.
            foreach (var model in found.Where(model => kept.TrueForAll(known => known.Found != model && !known.LiesAt(model.Path))))
            {
                if (kept.Find(known => known.IsCalled(model.Name)) is { } same)
                    clashes.Add(same.Id == model.Name ? Clash(same.Found.Path, model.Path, model.Name) : ModelAliases.Clash(model.Name, same.Id));
                else
                    kept.Add(new KnownModel(model, model.Name, isNamed: false, _clock) { Aliases = _aliases.Of(model.Name) });
            }

            Volatile.Write(ref _all, kept);
            foreach (var clash in clashes.Where(_told.Add))
                _log.NotServed(clash);
            return clashes;
        }
    }

    private static string Clash(string path, string other, string name) =>
        $"{path} and {other} would both be called {name}: models that are served together differ in name";

    private KnownModel New(string name, bool isFirst)
    {
        var make = isFirst ? _options.GivenModel() : null;
        var found = make is null ? ModelFolder.Named(name) : new FoundModel(name, name, 0);
        var id = _options.ModelId ?? found.Name;
        return new KnownModel(found, id, isNamed: true, _clock) { Aliases = _aliases.Of(id), Make = make };
    }

    private void CheckNames()
    {
        for (var i = 0; i < _all.Count; i++)
        {
            var (model, before) = (_all[i], _all.Take(i).ToArray());
            if (Array.Find(before, other => other.LiesAt(model.Found.Path)) is not null)
                throw new KvasirException(KvasirError.BadOption, $"the model {model.Found.Path} is named twice");
            if (Array.Find(before, other => other.Id == model.Id) is { } same)
                throw new KvasirException(KvasirError.BadOption, Clash(same.Found.Path, model.Found.Path, model.Id));
        }
    }

    private KnownModel? Find(string? name)
    {
        var all = All;
        var usual = Named.Count() == 1 ? all[0] : all.Count == 1 ? all[0] : null;
        if (string.IsNullOrEmpty(name))
            return usual;
        return all.FirstOrDefault(model => model.IsCalled(name)) ?? (_options.AnyModel ? usual : null);
    }

    private string Ids() => All.Count > 0 ? string.Join(", ", All.Take(MostListed).Select(static model => model.Id)) : "none";
}
