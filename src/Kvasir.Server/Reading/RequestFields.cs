using System.Text.Json;
using Kvasir.Server.Errors;

namespace Kvasir.Server.Reading;

/// <summary>An object of a request's JSON. It remembers which members somebody asked for: <see cref="IgnoreRest"/> names the others.</summary>
internal sealed class RequestFields(JsonElement element, RequestPath path, IgnoredFields ignored)
{
    private readonly List<string> _asked = [];

    public RequestPath Path => path;

    /// <summary>Of the whole request.</summary>
    public IgnoredFields Ignored => ignored;

    /// <summary>The member, or null where it is absent or null.</summary>
    public RequestValue? Find(string name)
    {
        _asked.Add(name);
        return element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? new RequestValue(value, path.Member(name), ignored) : null;
    }

    /// <summary>The first of several names for the same that is there.</summary>
    public RequestValue? Find(string name, string alias)
    {
        var (named, other) = (Find(name), Find(alias));
        return named ?? other;
    }

    public RequestValue Require(string name) =>
        Find(name) ?? throw new RequestException(ErrorKind.InvalidValue, $"{path.Member(name)} is missing", $"{path.Member(name)}");

    /// <summary>Every member by name, for objects whose names are the client's own.</summary>
    public IReadOnlyList<(string Name, RequestValue Value)> All(int most)
    {
        var members = new List<(string, RequestValue)>();
        foreach (var member in element.EnumerateObject())
        {
            if (members.Count == most)
                throw new RequestException(ErrorKind.InvalidValue, $"{path} has more than the {most} members that are allowed", $"{path}");
            members.Add((member.Name, new RequestValue(member.Value, path.Member(member.Name), ignored)));
        }

        return members;
    }

    /// <summary>Refuses a member that would change the answer, and is not there.</summary>
    /// <exception cref="RequestException">The request has it.</exception>
    public void Refuse(string name, string why)
    {
        if (Find(name) is { } value)
            throw value.Unsupported($"{value.Path}: {why}");
    }

    /// <summary>Names what nobody asked for. To be called when all that is honoured was read.</summary>
    public void IgnoreRest()
    {
        foreach (var member in element.EnumerateObject())
        {
            if (member.Value.ValueKind != JsonValueKind.Null && !_asked.Contains(member.Name))
                ignored.Add(path.Member(RequestValue.Short(member.Name)));
        }
    }
}
