namespace Kvasir.Server.Hosting;

/// <summary>More names by which clients may call models.</summary>
/// <param name="aliases">From the name to the model's.</param>
internal sealed class ModelAliases(IDictionary<string, string> aliases)
{
    /// <summary>All of a model's.</summary>
    public IReadOnlyList<string> Of(string id) => [.. aliases.Where(alias => alias.Value == id).Select(static alias => alias.Key)];

    /// <summary>That an alias is the name of another model than the one it is of.</summary>
    public static string Clash(string alias, string id) => $"the alias {alias} of {id} is the name of another model";

    /// <exception cref="KvasirException">One is of no model, or is the name of one.</exception>
    public void Check(IReadOnlyList<string> ids)
    {
        foreach (var (alias, id) in aliases)
        {
            if (!ids.Contains(id))
                throw new KvasirException(
                    KvasirError.BadOption, $"the alias {alias} is of {id}, and there is no such model; there are {string.Join(", ", ids)}");
            if (ids.Contains(alias))
                throw new KvasirException(KvasirError.BadOption, Clash(alias, id));
        }
    }
}
